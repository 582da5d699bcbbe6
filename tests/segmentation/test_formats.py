"""segmentation/formats.py: pixels per class."""

import numpy as np

from classification.results import ClassMap
from segmentation.formats import Pixels


def test_pixels(tmp_path):
    labels = np.array([[0, 0, 2], [255, 2, 2]])
    result = ClassMap(np.zeros((2, 3, 3), np.uint8), 'abc', [(0, 0, 0)] * 3, labels)
    Pixels(tmp_path, 'abc', 0.3).add('x.png', tmp_path / 'x', result)
    assert (tmp_path / 'results.csv').read_text().split() == ['image,a,b,c', 'x.png,2,0,3']
