"""A client's bytes as an image, by the rules of `engine.images`, and with more distrust.

Only formats that cameras and programs write are read: Pillow knows others that run programs
(EPS) or that nobody has looked at for years.
"""

import io

import numpy as np
from PIL import Image

from ..engine.errors import DataError
from ..engine.images import read_image
from .refusal import Refusal

FORMATS = ('JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP', 'PPM')
# A progressive JPEG of a few megabytes can ask for the whole image to be gone over again hundreds
# of thousands of times. libjpeg-turbo's own fuzzers stop at this number.
_MOST_SCANS = 500
_START_OF_SCAN = b'\xff\xda'


def check_size(content: bytes, max_pixels: int) -> tuple[int, int]:
    """(width, height) that the header of an image file states, before its orientation.

    Raises:
        Refusal: it is no image that is read, or too large to be decoded.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            kind = image.format
    except Image.DecompressionBombError:
        raise Refusal(413, _too_large('far more', max_pixels)) from None
    except Exception:  # Pillow's readers of damaged files raise anything
        raise Refusal(
            415, f'The body is no image that can be read: send one as {", ".join(FORMATS)}.'
        ) from None
    if width * height > max_pixels:
        raise Refusal(413, _too_large(f'{width} x {height}', max_pixels))
    if kind == 'JPEG' and content.count(_START_OF_SCAN) > _MOST_SCANS:
        raise Refusal(
            400, f'The image is a JPEG of over {_MOST_SCANS} scans: save it as a usual one.'
        )
    return width, height


def decode(content: bytes) -> np.ndarray:
    """(H, W, 3) uint8, RGB, upright, of what `check_size` has let through.

    Raises:
        Refusal: it is damaged, or has values that no rule makes visible.
    """
    try:
        return read_image(content, 'The image', FORMATS)
    except DataError as error:
        raise Refusal(400, str(error)) from None


def _too_large(found: str, max_pixels: int) -> str:
    return f'The image has {found} pixels, of which at most {max_pixels} are taken: shrink it.'
