"""Where images to predict come from, each with a name for its results.

Files, folders and globs; addresses (http, https); text files that list any of these one by one;
tar files; the frames of videos and of a camera, which OpenCV reads.
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

from ..errors import UsageError
from ..extras import need
from ..files.addresses import is_address
from ..images import IMAGE_SUFFIXES
from . import tars
from .source import Given, Source
from .tars import Tar

LIST_SUFFIX = '.txt'
VIDEO_EXTENSIONS = ('.mp4', '.mov', '.avi', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')


class Images:
    """A sequence of images, of which little is in memory: two texts each.

    It equals a list of the same images.

    Args:
        paths: files or addresses.
        names: their paths in an output folder, without suffix.
    """

    def __init__(self, paths: Sequence[str], names: Sequence[str]):
        self._paths, self._names = paths, names

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, i: int) -> Source:
        return Source(self._paths[i], Path(self._names[i]))

    def __iter__(self) -> Iterator[Source]:
        return map(Source, self._paths, map(Path, self._names))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | Images) and [*self] == [*other]

    def __add__(self, other: 'Images') -> 'Images':
        return Images([*self._paths, *other._paths], [*self._names, *other._names])


@dataclass
class Found:
    """What `find_sources` finds.

    Attributes:
        images: files and addresses.
        tars: tar files, whose images come after these.
        frames: of videos and cameras, which come last, once.
        frame_count: how many there are, about; None of a camera.
        skipped: suffix -> number of the files in folders that are no images.
    """

    images: Images
    tars: Sequence[Tar]
    frames: Iterator[Source]
    frame_count: int | None
    skipped: Counter[str]

    @property
    def sources(self) -> Iterator[Source]:
        """All of them, one after another."""
        return chain(self.images, chain.from_iterable(self.tars), self.frames)

    @property
    def count(self) -> int | None:
        """How many there are, about; None where that shows at the end alone."""
        if self.tars or self.frame_count is None:
            return None
        return len(self.images) + self.frame_count


def find_sources(patterns: Sequence[str]) -> Found:
    """The images that file names, folders, globs, lists, tar files, addresses and videos name.

    Args:
        patterns: as of `find_images`; addresses; tar files, or a glob that ends in .tar, whose
            images are called as the file and within it; video files, whose frames are called
            NAME/000001 and so on; the number of a camera, whose frames come until an interruption.

    Raises:
        UsageError: a pattern finds nothing, or a video or camera cannot be opened.
    """
    addresses = [pattern for pattern in patterns if is_address(pattern)]
    videos = [p for p in patterns if _is_video(p) or p.isdecimal() and not os.path.exists(p)]
    archives = [p for p in patterns if p.lower().endswith(tars.SUFFIX) and not os.path.isdir(p)]
    others = {*addresses, *videos, *archives}
    images, skipped = find_images([p for p in patterns if p not in others])
    names = [Path(re.split('[?#]', address)[0]).stem for address in addresses]
    images += Images(addresses, [f'{i:03d}-{name}' for i, name in enumerate(names, start=1)])
    opened = [(video, _open_video(video)) for video in videos]
    counts = [_count_frames(capture) for _, capture in opened]
    endless = any(count <= 0 for count in counts)
    frames = (frame for video, capture in opened for frame in _frames(video, capture))
    return Found(images, _find_tars(archives), frames, None if endless else sum(counts), skipped)


def _find_tars(patterns: Sequence[str]) -> list[Tar]:
    """The tar files of names and globs in the order found, each once.

    Raises:
        UsageError: there is none.
    """
    paths: dict[str, None] = {}
    for pattern in patterns:
        found = [pattern] if os.path.isfile(pattern) else sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise UsageError(f'{pattern[:200]} does not exist: check the path.')
        paths.update(dict.fromkeys(found))
    names: Counter[str] = Counter()
    archives = []
    for path in paths:
        name = os.path.basename(path)
        names[name] += 1
        archives.append(Tar(path, Path(name if names[name] == 1 else f'{name}-{names[name]}')))
    return archives


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


def find_images(patterns: Iterable[str | os.PathLike]) -> tuple[Images, Counter[str]]:
    """(images in the order found, each once; suffix -> number of other files in the folders).

    Args:
        patterns: files, folders (searched in depth, without what is hidden), globs and lists,
            which are text files (.txt) with the path of an image in each line; relative ones are
            below the current folder or, where the first is not there, below the list's. An image's
            name is its path below the folder that was given, or that all images of a glob or list
            share; where two would have one name both keep their suffix, or else get a number.

    Raises:
        UsageError: a pattern finds nothing.
    """
    found: dict[str, tuple[str, str]] = {}  # by what the path leads to: (path, path below)
    skipped: Counter[str] = Counter()
    for pattern in [str(Path(pattern)) for pattern in patterns]:
        if pattern.lower().endswith(LIST_SUFFIX) and os.path.isfile(pattern):
            paths = _read_list(pattern)
            whole = [os.path.abspath(path) for path in paths]
            # Without a look at the files, which at a million takes long.
            belows = _below(_common_folder(whole), whole)
            for key, path, below in zip(whole, paths, belows, strict=True):
                found.setdefault(key, (path, below))
            continue
        images, others = _match(pattern)
        skipped.update(
            os.path.splitext(path)[1].lower() or os.path.basename(path) for path in others
        )
        root = pattern if os.path.isdir(pattern) else _common_folder(images)
        for path, below in zip(images, _below(root, images), strict=True):
            found.setdefault(os.path.realpath(path), (path, below))
    stems = Counter(os.path.splitext(below)[0] for _, below in found.values())
    taken: set[str] = set()
    names = []
    for _, below in found.values():
        name = os.path.splitext(below)[0]
        name = first = name if stems[name] == 1 else below
        number = 1
        while name in taken:
            number += 1
            name = f'{first}-{number}'
        taken.add(name)
        names.append(name)
    return Images([path for path, _ in found.values()], names), skipped


def _below(root: str, paths: Iterable[str]) -> Iterator[str]:
    """Paths in a folder, as seen from it."""
    start = 0 if root in ('', os.curdir) else len(os.path.join(root, ''))
    return (path[start:].lstrip(os.sep) for path in paths)


def _match(pattern: str) -> tuple[list[str], list[str]]:
    """(images, other files) that a pattern names, sorted.

    Raises:
        UsageError: there is no image.
    """
    if os.path.isfile(pattern):  # whatever its name looks like to glob
        files = [pattern]
    elif os.path.isdir(pattern):
        files = [*_visible_files(pattern)]
    elif glob.has_magic(pattern):
        files = [name for name in glob.glob(pattern, recursive=True) if os.path.isfile(name)]
    else:
        raise UsageError(f'{pattern[:200]} does not exist: check the path.')
    found = (path for path in files if path.lower().endswith(IMAGE_SUFFIXES))
    images = sorted(found, key=lambda path: path.split(os.sep))  # folder by folder
    if not images:
        kinds = ' '.join(IMAGE_SUFFIXES)
        raise UsageError(
            f'{pattern} is no image ({kinds}).'
            if os.path.isfile(pattern)
            else f'{pattern} holds no image ({kinds}): check the path.'
        )
    return images, sorted(set(files) - set(images))


def _read_list(path: str) -> list[str]:
    """The paths and addresses in a text file, one a line.

    Raises:
        UsageError: there is none, or the file cannot be read.
    """
    try:
        with open(path, encoding='utf-8', errors='surrogateescape') as file:
            lines = [line for line in map(str.strip, file) if line]
    except OSError as error:
        raise UsageError(f'{path} cannot be read ({error.strerror}): check the file.') from None
    if not lines:
        raise UsageError(f'{path} lists no image: write the path of one in each line.')
    beside = os.path.dirname(path)
    if os.path.exists(lines[0]) or not os.path.exists(os.path.join(beside, lines[0])):
        return lines
    return [line if is_address(line) else os.path.join(beside, line) for line in lines]


def _visible_files(folder: str) -> Iterator[str]:
    """All files in a folder and those in it, but for what is hidden."""
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != '.']
        at = '' if at == os.curdir else at.removeprefix(f'{os.curdir}{os.sep}')
        paths = (os.path.join(at, name) for name in names if name[0] != '.')
        yield from filter(os.path.isfile, paths)


def _common_folder(paths: Iterable[str]) -> str:
    return os.path.commonpath({os.path.dirname(path) for path in paths})
