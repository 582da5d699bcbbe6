"""classification/results/class_map.py: what is painted where, and the map as a file."""

import numpy as np
import pytest

from classification.results import ClassMap
from classification.results.class_map import _inmost

NAMES = ['a', 'a class with a long name']
PALETTE = [(255, 0, 0), (0, 0, 255)]


def test_a_map_leaves_the_ignored_alone():
    labels = np.full((40, 60), 255)
    labels[:, 40:] = 1
    result = ClassMap(np.full((40, 60, 3), 100, dtype=np.uint8), NAMES, PALETTE, labels)
    picture = np.asarray(result.draw())
    assert (picture[:, : 8 * 20] == 100).all()
    assert tuple(picture[-20, -20]) == (50, 50, 177)
    assert result.pixels() == {NAMES[1]: 800}


@pytest.mark.parametrize('count, mode', [(256, 'P'), (257, 'I;16')])
def test_a_file_holds_the_labels(count, mode):
    labels = np.arange(count).reshape(1, count)
    image = np.zeros((1, count, 3), np.uint8)
    picture = ClassMap(image, [''] * count, [(1, 2, 3)] * count, labels).to_picture()
    assert picture.mode == mode and (np.asarray(picture) == labels).all()


@pytest.mark.parametrize(
    'shape, part',
    [
        ((40, 60), np.s_[10:21, 30:41]),
        ((1, 5000), np.s_[:, 7:8]),
        ((2000, 3000), np.s_[1001:1002, 5:2500]),
    ],
)
def test_a_name_stands_within_its_class(shape, part):
    mask = np.zeros(shape, bool)
    mask[part] = True
    row, column = _inmost(mask)
    assert mask[row, column]
    if shape == (40, 60):
        assert (row, column) == (15, 35)
