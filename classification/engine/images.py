"""Image files: found by name, read for drawing, and named where they cannot be read."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from PIL import ExifTags, Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from .errors import DataError, UsageError


def find_images(patterns: Iterable[str | os.PathLike]) -> dict[Path, Path]:
    """{image path: its name in an output folder, without suffix}, in the order found, each once.

    Args:
        patterns: files, folders (searched in depth) and globs. A name is the path below the folder
            that was given, or that all images of a glob share.

    Raises:
        UsageError: a pattern finds nothing, or two images would be written to one file.
    """
    names: dict[Path, Path] = {}
    for pattern in (os.fspath(pattern) for pattern in patterns):
        path = Path(pattern)
        if path.is_file():  # whatever its name looks like to glob
            paths = [path]
        elif path.is_dir():
            paths = [*path.rglob('*')]
        else:
            paths = [Path(name) for name in glob.glob(pattern, recursive=True)]
        found = sorted(p for p in paths if p.suffix.lower() in IMG_EXTENSIONS and p.is_file())
        if not found:
            raise UsageError(f'{pattern} is no image ({" ".join(IMG_EXTENSIONS)}) and holds none.')
        root = path if path.is_dir() else os.path.commonpath([p.parent for p in found])
        names.update({p: p.relative_to(root).with_suffix('') for p in found})
    taken: dict[Path, Path] = {}
    for path, name in names.items():
        other = taken.setdefault(name, path)
        if other.resolve() != path.resolve():
            raise UsageError(
                f'{path} and {other} would be written to one file: predict them one after another.'
            )
    return {taken[name]: name for name in taken}


def upright_size(path: str | os.PathLike) -> tuple[int, int]:
    """(width, height) of an image as a viewer shows it, turned as its EXIF data say.

    Only the header is read.

    Raises:
        DataError: the file is missing or no image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except FileNotFoundError:
        raise DataError(f'Image {path} does not exist: put it there or unlist it.') from None
    except Exception as error:  # damaged files make PIL raise anything
        raise unreadable_image(path, error) from None
    return (height, width) if turned else (width, height)


def read_picture(path: str | os.PathLike) -> np.ndarray:
    """An image file as (H, W, 3) uint8, RGB, turned as its EXIF data say: so mmcv reads it."""
    # Of a file that cannot be read imread gives None, which cvtColor refuses.
    return cv2.cvtColor(cast(np.ndarray, cv2.imread(str(path))), cv2.COLOR_BGR2RGB)


def check_image(path: str | os.PathLike) -> None:
    """Raise DataError where a file is missing or cannot be read as an image."""
    try:
        with Image.open(path) as image:
            image.load()
    except FileNotFoundError:
        raise DataError(f'Image {path} does not exist: put it there or unlist it.') from None
    except Exception as error:  # damaged files make PIL raise anything
        raise unreadable_image(path, error) from None


def unreadable_image(path: str | os.PathLike, error: Exception) -> DataError:
    """The error of an image file that `error` says cannot be read."""
    return DataError(
        f'{path} cannot be read as an image ({type(error).__name__}): replace or remove the file.'
    )
