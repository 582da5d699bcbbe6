"""Maps of numbers over a picture, as colours."""

import matplotlib
import numpy as np
from PIL import Image

# Black to white over red, even in lightness; and blue to red over white for signed numbers. People
# with any kind of colour vision can order both.
POSITIVE, SIGNED = 'inferno', 'RdBu_r'
_OPAQUE = 0.7  # share of the colours where a picture lies below


def heat(values: np.ndarray, picture: Image.Image, signed: bool = False) -> Image.Image:
    """Values over a grey picture, each a block of its pixels: from black to the brightest.

    Where some values are below -1/20 of the largest, blue is negative, white 0 and red positive.

    Args:
        values: (h, w), for parts of the picture that divide it evenly.
        signed: show them so in any case.
    """
    colours = colour_map(values, signed).resize(picture.size, Image.Resampling.NEAREST)
    return Image.blend(picture.convert('L').convert('RGB'), colours, _OPAQUE)


def colour_map(values: np.ndarray, signed: bool = False) -> Image.Image:
    """The colours of values (h, w), a pixel each, as in `heat`."""
    least, largest, name = float(values.min()), float(values.max()), POSITIVE
    if signed or least < -0.05 * np.abs(values).max():
        largest = max(largest, -least)
        least, name = -largest, SIGNED
    shares = (values - least) / ((largest - least) or 1.0)
    return Image.fromarray(matplotlib.colormaps[name](shares, bytes=True)[..., :3])
