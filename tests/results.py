"""Small results of each task, for the tests of what shows them."""

import numpy as np

from classification.results import ClassMap, Instances, Scores
from classification.results.instances import Mask

NAMES = ['cat', 'dog', 'owl']
PALETTE = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def _image(height=30, width=40):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def scores():
    return Scores(_image(), NAMES, PALETTE, np.array([0.1, 0.7, 0.2]))


def instances(masks=True):
    """A cat of 0.9 in the left half; an owl of 0.6 in a corner, which lies over a part of it."""
    pixels = np.zeros((2, 30, 40), bool)
    pixels[0, :, :20] = pixels[1, :12, 10:30] = True
    boxes = np.array([[0, 0, 20, 30], [10, 0, 30, 12]], float)
    parts = [Mask.of(mask) for mask in pixels] if masks else None
    return Instances(_image(), NAMES, PALETTE, boxes, np.array([0, 2]), np.array([0.9, 0.6]), parts)


def class_map():
    """Cats above, owls below, one pixel of no class."""
    labels = np.zeros((30, 40), np.int64)
    labels[20:] = 2
    labels[0, 0] = 255
    return ClassMap(_image(), NAMES, PALETTE, labels)
