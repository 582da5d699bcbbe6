"""classification/results/scores.py: the best classes."""

import numpy as np

from classification.results import Scores


def test_the_best_classes():
    image = np.zeros((8, 8, 3), np.uint8)
    result = Scores(image, list('abcdefg'), [(0, 0, 0)] * 7, np.array([1, 5, 2, 6, 0, 3, 4.0]) / 21)
    assert (result.label, result.name) == (3, 'd')
    assert [name for name, _ in result.best()] == list('dbgfc')
    assert [name for name, _ in result.best(2)] == ['d', 'b']
    assert result.draw().size == (320, 320)
