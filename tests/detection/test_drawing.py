"""detection/drawing.py: what is painted where, and that labels stay inside."""

import numpy as np
import pytest

from detection.drawing import draw_instances

CLASSES = ['a', 'a class with a long name']
PALETTE = [(255, 0, 0), (0, 0, 255)]


@pytest.fixture
def image():
    return np.full((40, 60, 3), 100, dtype=np.uint8)


def test_instances_are_painted_where_their_masks_are(image):
    masks = np.zeros((2, 40, 60), dtype=np.uint8)
    masks[0, 10:30, 10:30] = masks[1, 20:40, 20:50] = 1
    boxes = np.array([[10, 10, 30, 30], [20, 20, 50, 40.0]])
    picture = np.asarray(
        draw_instances(
            image, boxes, np.array([0, 1]), CLASSES, PALETTE, masks, np.array([0.9, 0.8])
        )
    )
    assert tuple(picture[8 * 25, 8 * 25]) == (152, 25, 88)  # both: the surer one, red, on top
    assert tuple(picture[8 * 28, 8 * 40]) == (50, 50, 177)
    assert tuple(picture[5, 5]) == (100, 100, 100)


@pytest.mark.parametrize('corner', [(0, 0), (59, 39), (-9, 99)])
def test_labels_stay_inside(image, corner):
    box = np.array([[*corner, corner[0] + 9, corner[1] + 9]], dtype=float)
    picture = draw_instances(image, box, np.array([1]), CLASSES, PALETTE)
    blue = (np.asarray(picture) == (0, 0, 255)).all(axis=2)
    assert blue.sum() > 500  # the name's box, wholly there
