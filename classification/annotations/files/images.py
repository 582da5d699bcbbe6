"""What the headers of image files say: size, format, whether EXIF data turn the image."""

import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ExifTags, Image
from tqdm import tqdm

from ..problems.kinds import problem
from ..problems.problem import Problem
from .tree import files_below, is_image

# Formats that may stand behind a suffix. Phones write JPEG with several pictures as MPO.
_FORMATS = {
    '.jpg': ('JPEG', 'MPO'),
    '.jpeg': ('JPEG', 'MPO'),
    '.png': ('PNG',),
    '.bmp': ('BMP',),
    '.tif': ('TIFF',),
    '.tiff': ('TIFF',),
    '.webp': ('WEBP',),
    '.ppm': ('PPM',),
    '.pgm': ('PPM',),
}
_SMALLEST, _LONGEST = 32, 20  # pixels of a side; times as long as wide


@dataclass(frozen=True)
class ImageFile:
    """An image file, by its header.

    Attributes:
        path: of the file.
        size: (width, height) in pixels as viewers show it, None where it cannot be read.
        stored: (width, height) before EXIF data turn it.
        orientation: of the EXIF data, 1 (as stored) to 8.
        format: PIL's name of the format, '' where it cannot be read.
        error: why it cannot be read, or ''.
    """

    path: Path
    size: tuple[int, int] | None = None
    stored: tuple[int, int] | None = None
    orientation: int = 1
    format: str = ''
    error: str = ''

    def unusable(self, record: Path, where: str = '') -> Problem | None:
        """The problem of a missing or unreadable file, listed in the file `record` at `where`."""
        if self.size is not None:
            return None
        if self.error == 'FileNotFoundError':
            detail = '' if record == self.path else str(self.path)
            return problem('missing image', record, where, detail)
        return problem('unreadable image', self.path, '', self.error)

    def oddities(self) -> list[Problem]:
        """What is odd about a readable file."""
        if self.size is None:
            return []
        found = []
        width, height = self.size
        if self.format not in _FORMATS.get(self.path.suffix.lower(), (self.format,)):
            found.append(problem('suffix of another format', self.path, '', f'it is {self.format}'))
        if self.orientation != 1:
            detail = f'orientation {self.orientation}'
            found.append(problem('image turned by its EXIF data', self.path, '', detail))
        if min(self.size) < _SMALLEST:
            detail = f'{width}x{height}'
            found.append(problem('image smaller than 32 pixels', self.path, '', detail))
        if max(self.size) > _LONGEST * min(self.size):
            detail = f'{width}x{height}'
            found.append(problem('image more than 20 times as long as wide', self.path, '', detail))
        return found


def look_at_images(paths: Iterable[Path]) -> dict[Path, ImageFile]:
    """{path: what the header says} of many files, several at a time, with progress."""
    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(min(16, 4 * (os.cpu_count() or 1))) as pool:
        bar = tqdm(total=len(paths), desc='image headers', unit='image', delay=2, leave=False)
        files = {}
        with bar:
            for path, file in zip(paths, pool.map(look_at, paths, chunksize=64), strict=True):
                files[path] = file
                bar.update()
    return files


def look_at(path: Path) -> ImageFile:
    """What the header of a file says; remembered until the file changes."""
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):  # a pipe would be waited for
            return ImageFile(path, error='no regular file')
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError, ValueError))
        return ImageFile(path, error='FileNotFoundError' if missing else type(error).__name__)
    return _look_at(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1 << 18)
def _look_at(path: Path, changed: int, length: int) -> ImageFile:
    try:
        with Image.open(path) as image:
            stored, kind = image.size, image.format or ''
            turn = _orientation(image, path)
    except Exception as error:  # damaged files make PIL raise anything
        return ImageFile(path, error=type(error).__name__)
    # Pillow gives a TIFF the size of the upright picture already.
    size = stored[::-1] if turn >= 5 and kind != 'TIFF' else stored
    return ImageFile(path, size, stored, turn, kind)


def _orientation(image: Image.Image, path: Path) -> int:
    # Asked for the EXIF data of a PNG that has none before its pixels, PIL decodes all of it.
    if image.format == 'PNG' and 'exif' not in image.info and b'eXIf' not in path.read_bytes():
        return 1
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged, as files in general
        return 1
    return turn if turn in range(1, 9) else 1


def list_images(folder: Path, deep: bool = True) -> list[Path]:
    """The image files in a folder, sorted; hidden ones and those that macOS adds left out.

    Args:
        folder: where to look.
        deep: look into the folders below, too; links to folders are followed, each folder once.
    """
    files = files_below(folder) if deep else filter(Path.is_file, folder.iterdir())
    return sorted(file for file in files if file.name[0] != '.' and is_image(file))
