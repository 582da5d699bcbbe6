"""serving/replies.py: results of each task as JSON and as pictures."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from classification.results import ClassMap, Instances, Mask, Scores
from classification.serving.refusal import Refusal
from classification.serving.replies import check_options, draw, draw_map, task_name, to_json

IMAGE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
NAMES = ('cat', 'dog', 'bird')
LOOK = dict(image=IMAGE, names=NAMES, palette=[(255, 0, 0), (0, 255, 0), (0, 0, 255)])


def masks():
    """A square, and an L that touches the edge."""
    both = np.zeros((2, 30, 40), bool)
    both[0, 5:9, 10:20] = True
    both[1, 20:, 30:33] = both[1, 27:, 30:] = True
    return both


SCORES = Scores(**LOOK, scores=np.array([0.25, 0.7, 0.05]))
INSTANCES = Instances(
    **LOOK,
    boxes=np.array([[10.0, 5, 20, 9], [30, 20, 40, 30]]),
    labels=np.array([1, 2]),
    scores=np.array([0.9, 0.31]),
    cut_masks=[Mask.of(mask) for mask in masks()],
)
MAP = ClassMap(**LOOK, map=np.where(masks()[0], 2, np.where(masks()[1], 1, 0)))


def reply(result, threshold=None, masks=None):
    return json.loads(json.dumps(to_json(result, threshold, masks), allow_nan=False))


def test_classes():
    answer = reply(SCORES)
    assert answer == {
        'task': 'classification',
        'width': 40,
        'height': 30,
        'classes': [
            {'class': 'dog', 'score': 0.7},
            {'class': 'cat', 'score': 0.25},
            {'class': 'bird', 'score': 0.05},
        ],
    }
    assert [entry['class'] for entry in reply(SCORES, 0.25)['classes']] == ['dog', 'cat']


def test_objects_are_annotations_of_coco():
    answer = reply(INSTANCES)
    assert (answer['task'], answer['width'], answer['height']) == ('detection', 40, 30)
    assert [found['class'] for found in answer['instances']] == ['dog', 'bird']
    assert [found['category_id'] for found in answer['instances']] == [2, 3]
    assert [found['bbox'] for found in answer['instances']] == [[10, 5, 10, 4], [30, 20, 10, 10]]
    for found, mask in zip(answer['instances'], masks(), strict=True):
        assert (coco.decode(found['segmentation']) == mask).all()
        assert found['area'] == mask.sum()


def test_objects_as_polygons():
    for found, mask in zip(reply(INSTANCES, masks='polygon')['instances'], masks(), strict=True):
        drawn = coco.merge(coco.frPyObjects(found['segmentation'], 30, 40))
        assert (coco.decode(drawn) == mask).all()


@pytest.mark.parametrize('threshold, count', [(None, 2), (0, 2), (0.31, 2), (0.32, 1), (1, 0)])
def test_the_threshold_is_the_least_score(threshold, count):
    assert len(reply(INSTANCES, threshold)['instances']) == count


def test_objects_without_masks():
    bare = Instances(**LOOK, boxes=INSTANCES.boxes, labels=INSTANCES.labels)
    for kind in ('rle', 'polygon'):
        found = reply(bare, masks=kind)['instances']
        assert len(found) == 2 and 'segmentation' not in found[0]


def test_a_map_as_a_picture():
    answer = reply(MAP)
    assert [(entry['class'], entry['label'], entry['pixels']) for entry in answer['classes']] == [
        ('cat', 0, 1200 - masks().sum()),
        ('dog', 1, masks()[1].sum()),
        ('bird', 2, 40),
    ]
    content = base64.b64decode(answer['png'])
    assert content == draw_map(MAP)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.mode == 'P' and (np.asarray(picture) == MAP.map).all()


def test_a_map_as_masks_of_its_classes():
    answer = reply(MAP, masks='rle')
    assert 'png' not in answer
    for entry in answer['classes']:
        assert (coco.decode(entry['segmentation']) == (MAP.map == entry['label'])).all()


@pytest.mark.parametrize('result', [SCORES, INSTANCES, MAP], ids=task_name)
def test_overlays_are_what_is_drawn(result):
    for threshold in (None, 0.5):
        expected = result.draw() if threshold is None else result.draw(threshold)
        with Image.open(io.BytesIO(draw(result, threshold))) as picture:
            assert (np.asarray(picture) == np.asarray(expected)).all()


@pytest.mark.parametrize(
    'task, format, masks, sentence',
    [
        ('classification', 'json', 'rle', 'has no masks, not masks=rle'),
        ('detection', 'json', 'png', 'takes masks=rle or polygon, not masks=png'),
        ('segmentation', 'json', 'polygon', 'takes masks=png or rle, not masks=polygon'),
        ('classification', 'png', None, 'gives no map of classes'),
        ('detection', 'png', None, 'gives no map of classes'),
        ('segmentation', 'png', None, None),
        ('detection', 'json', 'polygon', None),
        ('classification', 'overlay', None, None),
    ],
)
def test_options_that_a_task_has_not(task, format, masks, sentence):
    if sentence is None:
        check_options(task, format, masks)
        return
    with pytest.raises(Refusal, match=sentence) as refusal:
        check_options(task, format, masks)
    assert refusal.value.status == 422
