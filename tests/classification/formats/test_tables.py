"""formats/tables.py: a row per image, as csv reads it."""

import csv

import numpy as np

from classification.formats.tables import BestClass, Counts, Pixels
from classification.results import ClassMap, Instances, Scores

IMAGE = np.zeros((2, 3, 3), np.uint8)
NAMES = ['cat', 'dog: large', 'bird']
PALETTE = [(0, 0, 0)] * 3


def rows(tmp_path):
    with (tmp_path / 'results.csv').open() as file:
        return list(csv.reader(file))


def test_pixels(tmp_path):
    result = ClassMap(IMAGE, NAMES, PALETTE, np.array([[0, 0, 2], [255, 2, 2]]))
    Pixels(tmp_path, NAMES, 0.3).add('x.png', tmp_path / 'x', result)
    assert rows(tmp_path) == [['image', *NAMES], ['x.png', '2', '0', '3']]


def test_counts(tmp_path):
    scores = np.array([0.9, 0.8, 0.1])
    result = Instances(IMAGE, NAMES, PALETTE, np.zeros((3, 4)), np.array([0, 1, 1]), scores)
    writer = Counts(tmp_path, NAMES, 0.3)
    writer.add('a, b.jpg', tmp_path / 'x', result)
    writer.add('c.jpg', tmp_path / 'y', result.above(1))
    expected = [['image', *NAMES], ['a, b.jpg', '1', '1', '0'], ['c.jpg', '0', '0', '0']]
    assert rows(tmp_path) == expected


def test_the_best_class(tmp_path):
    result = Scores(IMAGE, NAMES, PALETTE, np.array([0.25, 0.5, 0.25]))
    BestClass(tmp_path, NAMES, 0.3).add('x.png', tmp_path / 'x', result)
    assert rows(tmp_path) == [['image', 'class', 'score'], ['x.png', 'dog: large', '0.5']]
