"""A classifier's view of an image, by Pillow alone: resized, then cropped at the centre.

The very pixels that timm's transforms for evaluation give, which are torchvision's Resize and
CenterCrop on PIL images.
"""

from typing import Any

import numpy as np
from PIL import Image

from ..engine.errors import DataError

_FILTERS = {'bicubic': Image.Resampling.BICUBIC, 'bilinear': Image.Resampling.BILINEAR}
_LONGEST = 1 << 14  # pixels of a side that a file may ask for
_MOST = 1 << 27  # pixels of a resized image


class ResizeAndCrop:
    """Resizes and crops images.

    Args:
        resize: length of the shorter side in pixels, or [height, width].
        interpolation: 'bicubic' or 'bilinear'.
        crop: [height, width] in pixels of what is cut out; beyond the image it is black.

    Raises:
        ValueError: the arguments, which come out of a file, are not possible.
    """

    def __init__(self, resize: Any, interpolation: Any, crop: Any):
        if not _is_size(crop):
            raise ValueError('crops to no size')
        if not (_is_side(resize) or _is_size(resize)):
            raise ValueError('resizes to no size')
        if interpolation not in list(_FILTERS):
            raise ValueError(f'interpolates by none of {", ".join(_FILTERS)}')
        self.resize, self.filter = resize, _FILTERS[interpolation]
        self.crop: tuple[int, int] = (crop[0], crop[1])

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """A picture (H, W, 3) uint8 as (crop height, crop width, 3) uint8.

        Raises:
            DataError: it is so long and narrow that its enlargement would be too large.
        """
        height, width = self._resized(*picture.shape[:2])
        if height * width > _MOST:
            raise DataError(
                f'An image of {picture.shape[1]}x{picture.shape[0]} pixels would be enlarged to '
                f'{width}x{height} before it is cropped: cut it.'
            )
        image = Image.fromarray(picture)
        if image.size != (width, height):
            image = image.resize((width, height), self.filter)
        top, left = _start(height, self.crop[0]), _start(width, self.crop[1])
        return np.asarray(image.crop((left, top, left + self.crop[1], top + self.crop[0])))

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if not isinstance(self.resize, int):
            return self.resize[0], self.resize[1]
        if height < width:
            return self.resize, int(self.resize * width / height)
        return int(self.resize * height / width), self.resize


def _start(length: int, crop: int) -> int:
    """Where a crop begins, negative where it is longer; rounded as torchvision rounds."""
    if crop > length:
        return -((crop - length) // 2)
    return round((length - crop) / 2)


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= _LONGEST


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_side, value))
