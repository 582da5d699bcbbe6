"""Scenes made by hand, whose errors are known."""

import numpy as np
import pytest

from detection.analysis.coco import evaluate_coco
from detection.analysis.errors import (
    IGNORED,
    KINDS,
    RIGHT,
    ap_costs,
    average_precision,
    find_errors,
)

BOX = [0, 0, 40, 40]


def scene(truths, found, classes=2):
    """Errors of one image from (class, box) and (class, box, score), matched by COCO's code."""
    truth = dict(
        images=[dict(id=1, width=200, height=200)],
        categories=[dict(id=i, name=str(i)) for i in range(classes)],
        annotations=[
            dict(image_id=1, category_id=label, bbox=box, area=box[2] * box[3], iscrowd=crowd)
            for label, box, crowd in ((*one, 0)[:3] for one in truths)
        ],
    )
    results = [
        dict(image_id=1, category_id=label, bbox=box, score=score) for label, box, score in found
    ]
    scores = evaluate_coco(truth, results, range(classes), 'bbox')
    images = list(scores.images.values())
    return images, [find_errors(image) for image in images]


@pytest.mark.parametrize(
    'kind, truths, found',
    [
        (RIGHT, [(0, BOX)], (0, BOX)),
        ('location', [(0, BOX)], (0, [0, 0, 40, 16])),  # IoU 0.4
        ('location', [(0, BOX)], (0, [0, 0, 40, 4])),  # IoU 0.1
        ('class', [(0, BOX)], (1, [0, 0, 40, 20])),  # IoU 0.5
        ('both', [(0, BOX)], (1, [0, 0, 40, 16])),
        ('background', [(0, BOX)], (0, [0, 0, 40, 3])),
        ('background', [(0, BOX)], (0, [100, 100, 40, 40])),
        ('background', [], (0, BOX)),
        # Both kinds fit: TIDE asks for the location first.
        ('location', [(0, [0, 0, 40, 16]), (1, BOX)], (0, BOX)),
        (IGNORED, [(0, [0, 0, 100, 100], 1)], (0, BOX)),
    ],
)
def test_kind_of_a_detection(kind, truths, found):
    _, (errors,) = scene(truths, [(*found, 0.9)])
    assert errors.kinds == [kind]


def test_the_less_sure_of_two_is_a_duplicate():
    _, (errors,) = scene([(0, BOX)], [(0, BOX, 0.5), (0, [0, 0, 40, 36], 0.9)])
    assert errors.kinds == [RIGHT, 'duplicate']  # the surest first
    assert not errors.unmatched.any()


def test_an_object_is_missed_where_nothing_came_near():
    truths = [(0, BOX), (1, [60, 0, 40, 40]), (0, [120, 0, 40, 40]), (0, [0, 60, 90, 90], 1)]
    _, (errors,) = scene(truths, [(1, BOX, 0.9), (1, [60, 0, 40, 16], 0.8)])
    assert errors.kinds == ['class', 'location']
    assert errors.unmatched.tolist() == [True, True, True]  # the crowd is no object
    assert errors.missed.sum() == 1


def test_costs_of_a_known_scene():
    """Two objects of class 0. The sure detection is background, the other finds an object."""
    truths = [(0, BOX), (0, [60, 0, 40, 40])]
    images, errors = scene(truths, [(0, [150, 150, 20, 20], 0.9), (0, BOX, 0.8)])
    ap, costs = ap_costs(images, errors, 2)
    assert ap == pytest.approx(51 / 101 * 0.5)  # precision 1/2 up to the recall 0.5
    assert costs['background'] == pytest.approx(51 / 101 * 0.5)  # then precision 1
    assert costs['missed'] == pytest.approx(0.5 - ap)  # one object: precision 1/2 everywhere
    assert all(costs[kind] == 0 for kind in ('location', 'class', 'duplicate', 'both'))


@pytest.mark.parametrize(
    'kind, found',
    [
        ('class', [(1, BOX, 0.9), (1, BOX, 0.8)]),  # one object is won once
        ('location', [(0, [0, 0, 40, 16], 0.9), (0, [0, 0, 40, 17], 0.3)]),
    ],
)
def test_a_repair_gains_the_object_once(kind, found):
    images, errors = scene([(0, BOX)], found)
    ap, costs = ap_costs(images, errors, 2)
    assert ap == 0
    assert costs[kind] == 1
    assert costs['missed'] == 0


def test_all_missed_and_nothing_there():
    images, errors = scene([(0, BOX)], [])
    assert ap_costs(images, errors, 2) == (0, {k: float(k == 'missed') for k in KINDS})
    images, errors = scene([], [])
    assert np.isnan(ap_costs(images, errors, 2)[0])


def test_average_precision():
    assert average_precision(np.array([]), np.array([]), 3) == 0
    assert average_precision(np.array([0.1, 0.9]), np.array([True, True]), 2) == 1
