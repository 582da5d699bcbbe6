"""A map of classes: the class of each pixel of an image."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..visualization.drawing import Canvas, Label, draw_labels, text_size
from .result import Result

_COUNTED = 2**16  # pixels at one time, which stay in the cache


@dataclass
class ClassMap(Result):
    """What a segmentor found.

    Attributes:
        map: (H, W) integers, positions in `names`; those beyond them, such as 255, are none.
    """

    map: np.ndarray

    def present(self) -> list[int]:
        """The labels of the classes that have a pixel."""
        return np.flatnonzero(self.counts()).tolist()

    def pixels(self) -> dict[str, int]:
        """Name of each class that has any -> number of its pixels."""
        counts = self.counts()
        return {self.names[label]: int(counts[label]) for label in self.present()}

    def counts(self) -> np.ndarray:
        """(classes,) number of the pixels of each class."""
        counts = np.zeros(len(self.names), int)
        for part in np.array_split(self.map, math.ceil(self.map.size / _COUNTED) or 1):
            known = part[(part >= 0) & (part < len(counts))]
            counts += np.bincount(known, minlength=len(counts))
        return counts

    def draw(self, score_thr: float = 0.3) -> Image.Image:
        """The map, whatever `score_thr`, with a name on the largest part of each class."""
        canvas = Canvas(self.image)
        canvas.paint_map(self.map, self.palette)
        picture = canvas.to_picture()
        labels = []
        for label in self.present():
            row, column = _inmost(self.map, label)
            width, height = text_size(picture, self.names[label])
            x, y = column * canvas.scale - width / 2, row * canvas.scale + height / 2
            box = x, y, x + width, y  # above it is the middle
            labels.append(Label(box, self.names[label], self.palette[label]))
        draw_labels(picture, labels)
        return picture

    def to_picture(self) -> Image.Image:
        """The labels as an image: of 8 bits with a palette, of 16 bits for over 256 classes."""
        if len(self.palette) > 256:
            return Image.fromarray(self.map.astype(np.uint16))
        picture = Image.fromarray(self.map.astype(np.uint8))
        picture.putpalette(np.array(self.palette, np.uint8).ravel().tolist())
        return picture


def _inmost(labels: np.ndarray, label: int) -> tuple[int, int]:
    """(row, column) of a pixel of a class in a map (H, W) that is about farthest from its edge."""
    step = max(1, max(labels.shape) // 256)
    rest = labels[::step, ::step] == label
    if not rest.any():  # thinner than a step
        row, column = np.unravel_index((labels == label).argmax(), labels.shape)
        return int(row), int(column)
    while rest.any():
        left = rest
        padded = np.pad(rest, 1)
        rows = padded[:-2] & padded[1:-1] & padded[2:]
        rest = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
    places = np.argwhere(left)
    row, column = places[len(places) // 2]
    return int(row) * step, int(column) * step
