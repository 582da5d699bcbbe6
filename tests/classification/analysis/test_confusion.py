import numpy as np
import pytest

from classification.analysis.confusion import confusion


def test_the_largest_confusions_come_first():
    counts = np.array([[5, 1, 0], [7, 2, 0], [0, 0, 0]])
    text = ''.join(confusion(counts, ['cat', 'dog', 'cow'], 'images'))
    pairs = text[text.index('Most frequent') :]
    assert pairs.index('77.8 %') < pairs.index('16.7 %')
    assert pairs.count('<tr>') == 3


def test_without_errors_there_are_no_pairs():
    assert len(confusion(np.eye(3, dtype=int), list('abc'), 'images')) == 1


@pytest.mark.parametrize('background', [False, True])
def test_of_many_classes_the_most_confused_are_shown(background):
    counts = np.eye(100 + background, dtype=int)
    counts[90, 91] = 5
    text = ''.join(confusion(counts, [f'c{i}.' for i in range(100)], 'images', background))
    assert 'The 20 of 100 classes' in text
    assert 'c90.' in text and 'c91.' in text and 'c55.' not in text
    assert ('missed' in text) == background
