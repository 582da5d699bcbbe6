"""webpage/selection.py: what a threshold and a choice of classes leave of a result."""

import numpy as np
import pytest

from classification.results import ClassMap, Result
from classification.webpage.selection import found, select
from tests.results import class_map, instances, scores


@pytest.mark.parametrize('make', [scores, instances, class_map])
def test_nothing_chosen_selects_everything(make):
    whole, part = make(), select(make(), 0.0)
    assert type(part) is type(whole) and (part.image == whole.image).all()
    assert (np.asarray(part.draw()) == np.asarray(whole.draw())).all()


@pytest.mark.parametrize(
    ('threshold', 'classes', 'left'),
    [
        (0.0, (), ['cat', 'dog', 'owl']),
        (0.2, (), ['dog', 'owl']),
        (0.0, ['owl', 'cat'], ['cat', 'owl']),
        (0.15, ['cat', 'dog'], ['dog']),
        (1.0, (), []),
    ],
)
def test_scores(threshold, classes, left):
    part = select(scores(), threshold, classes)
    assert part.names == left and len(part.scores) == len(part.palette) == len(left)
    assert [name for name, _ in part.best()] == sorted(left, key='dog owl cat'.split().index)
    part.draw()


def test_a_model_that_scores_fewer_classes_than_it_names():
    few = scores()
    few.scores = few.scores[:2]
    assert select(few, 0.0).names == ['cat', 'dog'] and select(few, 0.0, ['owl']).names == []


@pytest.mark.parametrize(
    ('threshold', 'classes', 'left'),
    [
        (0.0, (), [0, 2]),
        (0.6, (), [0, 2]),
        (0.61, (), [0]),
        (0.0, ['owl', 'dog'], [2]),
        (0.7, ['owl'], []),
    ],
)
def test_instances(threshold, classes, left):
    assert select(instances(), threshold, classes).labels.tolist() == left


@pytest.mark.parametrize('count', [3, 255, 256, 300])
@pytest.mark.parametrize('dtype', [np.uint16, np.int64])
def test_a_map_keeps_the_chosen_classes_alone(count, dtype):
    names = [str(number) for number in range(count)]
    labels = np.random.default_rng(0).integers(0, count + 2, (40, 50)).astype(dtype)
    whole = ClassMap(np.zeros((40, 50, 3), np.uint8), names, [(0, 0, 0)] * count, labels)
    part = select(whole, 0.9, ['1', '2', str(count - 1)])
    kept = np.isin(labels, [1, 2, count - 1])
    assert (part.map[kept] == labels[kept]).all()
    assert (part.map[~kept] >= count).all()
    assert part.present() == [1, 2, count - 1][: 2 if count == 3 else 3]


def test_what_can_be_chosen():
    assert [*found(scores())] == ['cat', 'dog', 'owl']
    assert [*found(instances())] == ['cat', 'owl'] == [*found(class_map())]


def test_another_result():
    with pytest.raises(TypeError, match='Result is no result that can be selected from'):
        select(Result(np.zeros((1, 1, 3), np.uint8), [], []), 0.0)
