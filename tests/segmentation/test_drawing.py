"""segmentation/drawing.py: what is painted where."""

import numpy as np

from segmentation.drawing import draw_map

CLASSES = ['a', 'a class with a long name']
PALETTE = [(255, 0, 0), (0, 0, 255)]


def test_a_map_leaves_the_ignored_alone():
    image = np.full((40, 60, 3), 100, dtype=np.uint8)
    labels = np.full((40, 60), 255)
    labels[:, 40:] = 1
    picture = np.asarray(draw_map(image, labels, CLASSES, PALETTE))
    assert (picture[:, : 8 * 20] == 100).all()
    assert tuple(picture[-20, -20]) == (50, 50, 177)
