"""Where images to predict come from: files, folders and globs, each with a name for its results."""

import glob
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from .errors import UsageError
from .images import read_image


@dataclass(frozen=True)
class Source:
    """An image to predict.

    Attributes:
        file_name: what results call it.
        name: its path in an output folder, without suffix.
    """

    file_name: str
    name: Path

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8, RGB, see `read_image`."""
        return read_image(self.file_name)


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
    images = sorted(path for path in files if path.suffix.lower() in IMG_EXTENSIONS)
    if not images:
        kinds = ' '.join(IMG_EXTENSIONS)
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
