"""export/equality.py: which differences are found, and which are tolerated."""

import numpy as np
import pytest

from classification.export.equality import RELATIVE, SCORE, Differences, Unequal, run_or_differ
from classification.results import ClassMap, Instances, Mask, Scores

IMAGE = np.zeros((40, 50, 3), np.uint8)
NAMES, PALETTE = ['cat', 'dog'], [(0, 0, 0)] * 2
BOXES = [[2.0, 3, 22, 23], [5, 5, 45, 35], [20, 10, 30, 38]]


def scores(*values):
    return Scores(IMAGE, NAMES, PALETTE, np.array(values, np.float32))


def class_map(values):
    return ClassMap(IMAGE, NAMES, PALETTE, np.asarray(values))


def objects(boxes=BOXES, labels=(0, 1, 0), scores=(0.9, 0.6, 0.3), masks=None):
    whole = None if masks is None else [Mask.of(np.asarray(mask)) for mask in masks]
    return Instances(
        IMAGE,
        NAMES,
        PALETTE,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.array(scores, np.float32),
        whole,
    )


def without(index):
    kept = [i for i in range(3) if i != index]
    return objects(
        [BOXES[i] for i in kept], [(0, 1, 0)[i] for i in kept], [(0.9, 0.6, 0.3)[i] for i in kept]
    )


def seen(*args, **kwargs):
    differences = Differences()
    differences.compare(*args, **kwargs)
    return differences


def test_values_relative_to_the_largest():
    found = Differences()
    found.compare_values('logits', np.array([-200.0, 1]), np.array([-200.0, 1 + 190 * RELATIVE]))
    assert found.largest['logits'] == pytest.approx(0.95 * RELATIVE)
    with pytest.raises(Unequal, match='logits differ by 0.00011, and 0.0001 is allowed'):
        found.compare_values('logits', np.array([200.0, 1]), np.array([200.0, 1 + 220 * RELATIVE]))


@pytest.mark.parametrize(
    'expected, actual',
    [
        ([1, 2], [1, np.nan]),
        ([1, np.nan], [1, 2]),
        ([np.nan, 1], [np.nan, 1]),
        ([1, np.inf], [1, np.inf]),
        ([1, 2], [1, -np.inf]),
    ],
    ids=str,
)
@pytest.mark.filterwarnings('ignore:invalid value')
def test_what_is_not_finite_is_not_equal(expected, actual):
    with pytest.raises(Unequal, match='x differ by (nan|inf)'):
        Differences().compare_values('x', np.array(expected), np.array(actual))


def test_shapes_and_no_values():
    with pytest.raises(Unequal, match=r'x have the shape \(3,\), not \(2,\)'):
        Differences().compare_values('x', np.zeros(2), np.zeros(3))
    empty = Differences()
    empty.compare_values('x', np.zeros((0, 3)), np.zeros((0, 3)))
    assert empty.largest == {'x': 0}


def test_the_largest_is_kept():
    found = Differences()
    for value in (0.2, 0.4, 0.1):
        found.see('x', value, 1)
    assert found.largest == {'x': 0.4}


def test_scores():
    assert seen(scores(0.25, 0.75), scores(0.25, 0.75 + 1e-6)).images == 1
    with pytest.raises(Unequal, match='scores differ'):
        seen(scores(0.25, 0.75), scores(0.24, 0.76))


def test_another_kind_of_result():
    with pytest.raises(Unequal, match='results are ClassMap, not Scores'):
        seen(scores(0.25, 0.75), class_map(np.zeros((40, 50))))


def test_maps():
    expected = np.zeros((40, 50), int)
    other = expected.copy()
    other[3, 4] = 1
    margin = np.ones((40, 50))
    assert seen(class_map(expected), class_map(expected), margin).largest == {
        'share of pixels of another class': 0
    }
    margin[3, 4] = RELATIVE  # as likely
    assert seen(class_map(expected), class_map(other), margin).largest == {
        'share of pixels of another class': 1 / 2000,
        'logits of pixels of another class': RELATIVE,
    }
    margin[3, 4] = 3 * RELATIVE
    with pytest.raises(Unequal, match='logits of pixels of another class differ by 0.0003'):
        seen(class_map(expected), class_map(other), margin)
    with pytest.raises(Unequal, match='maps have the shape'):
        seen(class_map(expected), class_map(expected[:-1]))


def test_objects_in_any_order_and_nearly_equal():
    moved = np.array(BOXES) + 0.01
    other = objects(moved[::-1], (0, 1, 0), (0.3 + SCORE / 2, 0.6, 0.9))
    found = seen(objects(), other)
    assert (found.images, found.objects) == (1, 3)
    assert found.largest['scores'] == pytest.approx(SCORE / 2, rel=1e-3)
    assert found.largest['boxes, pixels'] == pytest.approx(0.01, rel=1e-3)


def test_equal_objects_twice():
    """Each has a counterpart of its own."""
    twice = objects([BOXES[0]] * 2, (0, 0), (0.9, 0.9))
    assert seen(twice, twice).objects == 2
    with pytest.raises(Unequal, match='lacks a cat with the score 0.9'):
        seen(twice, objects([BOXES[0]], [0], [0.9]))


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(labels=(0, 0, 0)), 'lacks a dog with the score 0.6000'),
        (dict(scores=(0.9, 0.62, 0.3)), 'lacks a dog with the score 0.6000'),
        (dict(boxes=[BOXES[0], [30, 5, 66, 35], BOXES[2]]), 'lacks a dog with the score 0.6000'),
        (dict(scores=(0.9, np.nan, 0.3)), 'lacks a dog'),
        (dict(boxes=[BOXES[0], [np.nan] * 4, BOXES[2]]), 'lacks a dog'),
    ],
    ids=str,
)
def test_another_object(change, message):
    with pytest.raises(Unequal, match=message):
        seen(objects(), objects(**change))


@pytest.mark.parametrize('count, allowed', [(99, False), (100, True)])
def test_objects_from_other_proposals(count, allowed):
    """One of a hundred may have another box that overlaps, for rounding decides in NMS."""
    differences = Differences(objects=count - 3)
    moved = objects(boxes=[BOXES[0], [6, 5, 46, 35], BOXES[2]])
    differences.compare(objects(), moved)
    assert differences.ties == 1
    if allowed:
        assert differences.conclude() is differences
    else:
        with pytest.raises(Unequal, match='1 of 99 objects come from other proposals'):
            differences.conclude()


@pytest.mark.parametrize('index', range(3))
def test_an_object_less_or_more(index):
    """Also the last of those that are no more than an image may have."""
    name = NAMES[(0, 1, 0)[index]]
    for options in ({}, dict(threshold=0.05, most=100), dict(threshold=0.2, most=4)):
        with pytest.raises(Unequal, match=f'lacks a {name}'):
            seen(objects(), without(index), **options)
        with pytest.raises(Unequal, match=f'adds a {name}'):
            seen(without(index), objects(), **options)
    with pytest.raises(Unequal, match='adds a cat'):
        seen(objects([], [], []), objects([BOXES[0]], [0], [0.9]), threshold=0.05, most=100)
    with pytest.raises(Unequal, match='lacks a cat'):
        seen(objects([BOXES[0]], [0], [0.9]), objects([], [], []), threshold=0.05, most=100)


def test_objects_at_a_border():
    """Rounding decides about a score at the threshold, and about the last of the most."""
    for threshold in (0.3 - SCORE / 2, 0.3 + SCORE / 2):
        seen(objects(), without(2), threshold=threshold)
        seen(without(2), objects(), threshold=threshold)
    seen(objects(), without(2), most=3)
    other = objects([*BOXES[:2], [1, 1, 9, 9]], (0, 1, 1), (0.9, 0.6, 0.3 - SCORE / 2))
    seen(objects(), other, most=3)
    with pytest.raises(Unequal, match='lacks a dog'):
        seen(objects(), without(1), threshold=0.3, most=3)


def masks(rows):
    """Three masks, of which the second has so many rows of 30 pixels."""
    whole = np.zeros((3, 40, 50), bool)
    whole[0, 5:20, 5:20] = whole[2, 12:36, 22:28] = True
    whole[1, :rows, 10:40] = True
    return whole


def test_masks():
    one, other = masks(34), masks(34)
    assert seen(objects(masks=one), objects(masks=one)).largest['masks, 1 - IoU'] == 0
    other[1, 0, 10] = False
    near = seen(objects(masks=one), objects(masks=other)).largest['masks, 1 - IoU']
    assert near == pytest.approx(1 / (34 * 30))
    with pytest.raises(Unequal, match='masks, 1 - IoU differ by'):
        seen(objects(masks=one), objects(masks=masks(33)))
    empty = masks(0)
    assert seen(objects(masks=empty), objects(masks=empty)).largest['masks, 1 - IoU'] == 0
    with pytest.raises(Unequal, match='masks, 1 - IoU differ by 1'):
        seen(objects(masks=empty), objects(masks=one))


def test_one_pixel_of_a_small_mask_may_differ_and_not_two():
    small, one, two = masks(1), masks(1), masks(1)
    one[1][0, 0] ^= True
    two[1][0, :2] ^= True
    assert 0.01 < seen(objects(masks=small), objects(masks=one)).largest['masks, 1 - IoU'] < 0.05
    with pytest.raises(Unequal, match='masks, 1 - IoU differ by'):
        seen(objects(masks=small), objects(masks=two))


def test_masks_of_one_alone():
    for pair in (masks(34), None), (None, masks(34)):
        with pytest.raises(Unequal, match='only one of the models gives masks'):
            seen(*(objects(masks=values) for values in pair))


def test_boxes_without_an_area():
    flat = objects([[5, 5, 5, 9]], [0], [0.5])
    assert seen(flat, objects([[5, 5, 5, 9]], [0], [0.5])).objects == 1
    with pytest.raises(Unequal, match='lacks a cat'):
        seen(flat, objects([[6, 5, 6, 9]], [0], [0.5]))


def test_a_model_that_fails_is_not_equal():
    def fail(inputs):
        raise RuntimeError('cannot\nreshape')

    with pytest.raises(Unequal, match=r'it fails for an input of 1x64x96x3 \(cannot reshape\)'):
        run_or_differ(fail, dict(images=np.zeros((1, 64, 96, 3), np.uint8)))
