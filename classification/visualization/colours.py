"""Colours of instances, and colours of classes for all eyes."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import ImageColor

from .drawing import Colour
from .page_style import COLOURS

_NAMED = [ImageColor.getrgb(colour)[:3] for colour in (*COLOURS, '#f0e442')]
# Towards black or white, and how far.
_SHADES = ((0, 0.0), (255, 0.5), (0, 0.4), (255, 0.75), (0, 0.65))


PALETTES = ('dataset', 'safe')  # the dataset's own colours, or those of `safe_colours`


def choose_palette(name: str, own: Sequence[Colour]) -> list[Colour]:
    """The colours of the classes under a name of PALETTES; `own` are the dataset's."""
    return safe_colours(len(own)) if name == 'safe' else list(own)


def safe_colours(count: int) -> list[Colour]:
    """As many RGB colours that people with any kind of colour vision tell apart.

    Those of Okabe and Ito (see page_style.py) without black; from the eighth class on lighter and
    darker ones.
    """
    return [shade(_NAMED[i % len(_NAMED)], i // len(_NAMED)) for i in range(count)]


def shade(colour: Colour, number: int) -> Colour:
    """A colour itself, number 0, or a lighter or darker one; they repeat from number 5 on."""
    target, share = _SHADES[number % len(_SHADES)]
    red, green, blue = (round(part + (target - part) * share) for part in colour)
    return red, green, blue


def instance_colours(
    labels: np.ndarray, boxes: np.ndarray, palette: Sequence[Colour]
) -> list[Colour]:
    """A colour for each instance: its class's, in another shade for each one of the class.

    They go from left to right, whatever the scores and the order of the instances. So an object
    keeps its colour from frame to frame and between two models, until another of its class comes
    in on its left.

    Args:
        labels: (N,) positions in the palette.
        boxes: (N, 4), x1, y1, x2, y2.
        palette: a colour for each class.
    """
    middles = boxes[:, :2] + boxes[:, 2:]
    colours: list[Colour] = [(0, 0, 0)] * len(labels)
    seen: Counter[int] = Counter()
    for i in np.lexsort((middles[:, 1], middles[:, 0])):
        label = int(labels[i])
        colours[i] = shade(palette[label], seen[label])
        seen[label] += 1
    return colours
