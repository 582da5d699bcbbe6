"""Where images to predict come from, each with a name for its results.

Files, folders and globs; addresses (http, https); the frames of videos and of a camera, which
OpenCV reads.
"""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError
from ..extras import need
from ..files.addresses import fetch, is_address
from ..images import IMAGE_SUFFIXES, read_image, to_image

VIDEO_EXTENSIONS = ('.mp4', '.mov', '.avi', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')


@dataclass(frozen=True)
class Source:
    """An image to predict, a file or an address.

    Attributes:
        file_name: what results call it.
        name: its path in an output folder, without suffix.
    """

    file_name: str
    name: Path

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8, RGB, see `read_image`."""
        if is_address(self.file_name):
            return read_image(fetch(self.file_name), self.file_name)
        return read_image(self.file_name)


@dataclass(frozen=True)
class Given(Source):
    """An image that is there already, in any form that `to_image` takes."""

    image: Any

    def read(self) -> np.ndarray:
        if isinstance(self.image, str) and is_address(self.image):
            return read_image(fetch(self.image), self.image)
        return to_image(self.image)


@dataclass
class Found:
    """What `find_sources` finds; an iterable of sources.

    Attributes:
        sources: one after another.
        count: how many there are, about; None of a camera.
        skipped: suffix -> number of the files in folders that are no images.
    """

    sources: Iterable[Source]
    count: int | None
    skipped: Counter[str]


def find_sources(patterns: Sequence[str]) -> Found:
    """The images that file names, folders, globs, addresses, videos and camera numbers name.

    Args:
        patterns: as of `find_images`; addresses; video files, whose frames are called
            NAME/000001 and so on; the number of a camera, whose frames come until an interruption.

    Raises:
        UsageError: a pattern finds nothing, or a video or camera cannot be opened.
    """
    addresses = [pattern for pattern in patterns if is_address(pattern)]
    videos = [p for p in patterns if _is_video(p) or p.isdecimal() and not os.path.exists(p)]
    files = [p for p in patterns if p not in addresses and p not in videos]
    images, skipped = find_images(files)
    images += [
        Source(address, Path(f'{i:03d}-{Path(re.split("[?#]", address)[0]).stem}'))
        for i, address in enumerate(addresses, start=1)
    ]
    opened = [(video, _open_video(video)) for video in videos]
    counts = [_count_frames(capture) for _, capture in opened]
    endless = any(count <= 0 for count in counts)
    frames = (frame for video, capture in opened for frame in _frames(video, capture))
    return Found(chain(images, frames), None if endless else len(images) + sum(counts), skipped)


def _is_video(pattern: str) -> bool:
    return pattern.lower().endswith(VIDEO_EXTENSIONS) and os.path.isfile(pattern)


def _opencv() -> Any:
    return need('cv2', 'opencv-python-headless', 'Reading a video or a camera')


def _open_video(video: str) -> Any:
    """OpenCV's VideoCapture."""
    cv2 = _opencv()
    capture = cv2.VideoCapture(int(video) if video.isdecimal() else video)
    if not capture.isOpened():
        what = f'Camera {video}' if video.isdecimal() else f'The video {video}'
        raise UsageError(f'{what} cannot be opened: check it with another program.')
    return capture


def _count_frames(capture: Any) -> int:
    return int(capture.get(_opencv().CAP_PROP_FRAME_COUNT))


def _frames(video: str, capture: Any) -> Iterator[Source]:
    """The frames of a video as they come, turned as the file says."""
    folder = Path(f'camera{video}' if video.isdecimal() else Path(video).stem)
    for number in count(1):
        there, frame = capture.read()
        if not there:
            break
        name = folder / f'{number:06d}'
        yield Given(f'{video}#{number}', name, frame[..., ::-1])
    capture.release()


def find_images(patterns: Iterable[str | os.PathLike]) -> tuple[list[Source], Counter[str]]:
    """(images in the order found, each once; suffix -> number of other files in the folders).

    Args:
        patterns: files, folders (searched in depth, without what is hidden) and globs. An image's
            name is its path below the folder that was given, or that all images of a glob share;
            where two would have one name both keep their suffix, or else get a number.

    Raises:
        UsageError: a pattern finds nothing.
    """
    found: dict[Path, tuple[Path, Path]] = {}  # by what the path leads to
    skipped: Counter[str] = Counter()
    for pattern in [os.fspath(pattern) for pattern in patterns]:
        images, others = _match(pattern)
        skipped.update(path.suffix.lower() or path.name for path in others)
        root = Path(pattern) if os.path.isdir(pattern) else _common_folder(images)
        for path in images:
            found.setdefault(path.resolve(), (path, path.relative_to(root)))
    stems = Counter(below.with_suffix('') for _, below in found.values())
    taken: set[Path] = set()
    sources = []
    for path, below in found.values():
        name = below.with_suffix('')
        name = first = name if stems[name] == 1 else below
        number = 1
        while name in taken:
            number += 1
            name = first.with_name(f'{first.name}-{number}')
        taken.add(name)
        sources.append(Source(str(path), name))
    return sources, skipped


def _match(pattern: str) -> tuple[list[Path], list[Path]]:
    """(images, other files) that a pattern names, sorted.

    Raises:
        UsageError: there is no image.
    """
    if os.path.isfile(pattern):  # whatever its name looks like to glob
        files = [Path(pattern)]
    elif os.path.isdir(pattern):
        files = _visible_files(pattern)
    elif glob.has_magic(pattern):
        files = [Path(name) for name in glob.glob(pattern, recursive=True) if os.path.isfile(name)]
    else:
        raise UsageError(f'{pattern[:200]} does not exist: check the path.')
    images = sorted(path for path in files if path.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        kinds = ' '.join(IMAGE_SUFFIXES)
        raise UsageError(
            f'{pattern} is no image ({kinds}).'
            if os.path.isfile(pattern)
            else f'{pattern} holds no image ({kinds}): check the path.'
        )
    return images, sorted(set(files) - set(images))


def _visible_files(folder: str) -> list[Path]:
    """All files in a folder and those in it, but for what is hidden."""
    files = []
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != '.']
        files += [Path(at) / name for name in names if name[0] != '.']
    return [path for path in files if path.is_file()]


def _common_folder(paths: list[Path]) -> Path:
    return Path(os.path.commonpath([path.parent for path in paths]))
