"""The one reader of images: every task trains on, predicts and draws what `read_image` gives.

Pillow decodes; ordinary 8-bit JPEG, PNG, BMP, PPM and WebP files give the very pixels that OpenCV,
and so mmcv, reads. The rules for all others:

- EXIF: the orientation is always applied, so labels belong to the upright picture.
- 16 bits per channel: the upper byte, so that 65535 is white. The rule is the same for every file:
  an image that uses 12 of its 16 bits stays dark.
- Floating point: 0 is black and 1 white; a file with other values is refused.
- 32-bit integers are refused: no range is white by convention.
- Alpha is dropped: the colours are those that the file stores.
- Palette, 1 bit, grey, CMYK and Lab become RGB by Pillow; colour profiles are not applied.
- Of a file with several pictures the first is read.
"""

import io
import os
import stat
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from .errors import DataError

_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ImageSource = str | os.PathLike | bytes
# Of the files that folders are searched for: those that torchvision takes.
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp')


def read_image(
    source: ImageSource,
    name: str | os.PathLike | None = None,
    formats: tuple[str, ...] | None = None,
) -> np.ndarray:
    """An image file, or its content, as (H, W, 3) uint8, RGB, upright.

    Args:
        source: path, or bytes.
        name: what errors call it; by default its path.
        formats: the only ones to be read, by Pillow's names; None reads all that Pillow knows.

    Raises:
        DataError: it is missing, damaged or no image, has over `Image.MAX_IMAGE_PIXELS` * 2 pixels
            (179 million), or values that no rule makes visible.
    """
    return np.array(read_pil(source, name, formats))  # a copy, which may be written to


def to_image(value: Any) -> np.ndarray:
    """What `read_image` gives, of a path, a file's content, or an image that is in memory already.

    Args:
        value: path, bytes, PIL image, numpy array (H, W), (H, W, 3) or (H, W, 4), RGB, or tensor
            (3, H, W) or (1, H, W); of values as in files: bytes, 16 bits, or floats from 0 to 1.

    Raises:
        DataError: as `read_image`; an array of another shape.
    """
    if isinstance(value, (str, os.PathLike, bytes)):
        return read_image(value)
    if isinstance(value, Image.Image):
        return np.array(to_rgb(_upright(value)))
    shape = tuple(value.shape)
    if hasattr(value, 'detach'):  # a tensor
        value = value.detach().cpu().numpy()
        value = np.moveaxis(value, 0, -1) if len(shape) == 3 and shape[0] in (1, 3) else None
    elif len(shape) == 2:
        value = value[..., None]
    if value is None or value.ndim != 3 or value.shape[2] not in (1, 3, 4) or not value.size:
        raise DataError(
            f'An array of shape {shape} is no image: give (H, W, 3) in RGB, or a tensor (3, H, W).'
        )
    channels = [0, 0, 0] if value.shape[2] == 1 else [0, 1, 2]
    return np.ascontiguousarray(to_uint8(value)[..., channels])


def read_pil(
    source: ImageSource,
    name: str | os.PathLike | None = None,
    formats: tuple[str, ...] | None = None,
) -> Image.Image:
    """What `read_image` gives, as a PIL image of mode RGB."""
    name = _name(source, name)
    try:
        with _open(source) as file:
            _check_sums(file)
            with Image.open(file, formats=formats) as image:
                image.load()
                return to_rgb(_upright(image), name)
    except DataError:
        raise
    except Exception as error:  # Pillow's readers of damaged files raise anything
        raise unreadable_image(name, error) from None


def upright_size(path: str | os.PathLike) -> tuple[int, int]:
    """(width, height) of an image as `read_image` gives it, from the file's header alone.

    Raises:
        DataError: as `read_image`, for what the header shows.
    """
    try:
        with _open(path) as file, Image.open(file) as image:
            width, height = image.size
            # Pillow gives a TIFF the size of the upright picture already.
            if image.format != 'TIFF' and _orientation(image) >= 5:
                return height, width
            return width, height
    except Exception as error:
        raise unreadable_image(path, error) from None


def check_image(path: str | os.PathLike) -> None:
    """Raise DataError where a file is missing or cannot be decoded, whatever its values mean."""
    try:
        with _open(path) as file:
            _check_sums(file)
            with Image.open(file) as image:
                image.load()
    except Exception as error:
        raise unreadable_image(path, error) from None


def unreadable_image(path: str | os.PathLike, error: Exception) -> DataError:
    """The error of an image file that `error` says cannot be read."""
    if isinstance(error, FileNotFoundError):
        return DataError(f'Image {path} does not exist: put it there or unlist it.')
    if isinstance(error, Image.DecompressionBombError):
        return DataError(
            f'{path} has too many pixels to be read at once '
            f'(over {2 * (Image.MAX_IMAGE_PIXELS or 0)}): cut or shrink it.'
        )
    return DataError(
        f'{path} cannot be read as an image ({type(error).__name__}): replace or remove the file.'
    )


def to_rgb(image: Image.Image, name: str | os.PathLike = 'The image') -> Image.Image:
    """A PIL image of any mode as one of mode RGB, by the rules above.

    Raises:
        DataError: it has values that no rule makes visible.
    """
    if image.mode[0] not in 'IF':
        return image.convert('RGB')
    # Some versions of Pillow give 16-bit PNG and PPM files as 32-bit integers.
    short = image.mode.startswith('I;16') or image.format in ('PNG', 'PPM')
    values = np.asarray(image)
    return Image.fromarray(to_uint8(values.astype(np.uint16) if short else values, name)).convert(
        'RGB'
    )


def to_uint8(values: np.ndarray, name: str | os.PathLike = 'The image') -> np.ndarray:
    """Values of pixels as bytes: uint8 as they are, uint16 and floating point by the rules above.

    Raises:
        DataError: others, and floating point beyond 0 to 1.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        return (values >> 8).astype(np.uint8)
    if values.dtype.kind != 'f':
        raise DataError(
            f'{name} has {8 * values.dtype.itemsize}-bit integers, of which nothing says what is '
            'white: save it with 8 or 16 bits.'
        )
    if values.size and not (values.min() >= 0 and values.max() <= 1):  # NaN compares as False
        raise DataError(
            f'{name} has floating point values from {values.min():g} to {values.max():g}, where '
            '0 is black and 1 is white: scale them, or save it with 8 or 16 bits.'
        )
    return np.rint(values * 255.0).astype(np.uint8)


def _name(source: ImageSource, name: Any) -> str | os.PathLike:
    return name or ('The image' if isinstance(source, bytes) else source)


def _open(source: ImageSource) -> BinaryIO:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if not stat.S_ISREG(os.stat(source).st_mode):  # a pipe would be waited for
        raise OSError('no regular file')
    return open(source, 'rb')


def _check_sums(file: BinaryIO) -> None:
    """Verify what sums a file carries, which Pillow leaves out in decoding; those of a PNG."""
    if file.read(8) == b'\x89PNG\r\n\x1a\n':
        file.seek(0)
        Image.open(file).verify()
    file.seek(0)


def _upright(image: Image.Image) -> Image.Image:
    """A loaded image turned as its EXIF data say."""
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where the image has none or its EXIF data are damaged."""
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # as damaged files in general
        return 1
    return value if value in _TURNS else 1
