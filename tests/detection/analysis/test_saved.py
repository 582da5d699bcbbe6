"""Detections from files: with the truth's ids, and with ids of their own."""

import json

import numpy as np
import pytest

from classification.engine.errors import DataError
from detection.analysis.coco import evaluate_coco
from detection.analysis.saved import read_detections
from tests.helpers import picture
from tests.scenes import IDS, scenes


@pytest.fixture
def files(tmp_path):
    """(truth, detections) in memory, and a function that writes them and gives the paths."""
    truth, found = scenes()
    for image in truth['images']:
        image['file_name'] = f'{image["id"]}.png'
    for one in [*truth['annotations'], *found]:
        one['segmentation'] = dict(one['segmentation'])
        one['segmentation']['counts'] = one['segmentation']['counts'].decode()

    def write(results):
        (tmp_path / 'truth.json').write_text(json.dumps(truth))
        (tmp_path / 'found.json').write_text(json.dumps(results))
        return tmp_path / 'found.json', tmp_path / 'truth.json'

    return truth, found, write


def with_own_ids(truth, found):
    """As tools/predict.py writes them: other ids, paths in front, classes in another order."""
    images = {one['id']: i for i, one in enumerate(truth['images'][::-1], start=1)}
    classes = {number: i for i, number in enumerate(sorted(IDS), start=1)}
    return dict(
        images=[
            dict(id=images[one['id']], file_name=f'photos/{one["file_name"]}')
            for one in truth['images']
        ],
        categories=[dict(id=i, name=f'class {number}') for number, i in classes.items()],
        annotations=[
            dict(one, image_id=images[one['image_id']], category_id=classes[one['category_id']])
            for one in found
        ],
    )


@pytest.mark.parametrize('own', [False, True])
def test_the_ap_is_that_of_the_detections(files, own):
    truth, found, write = files
    run = read_detections(*write(with_own_ids(truth, found) if own else found))
    for kind in ('bbox', 'segm'):
        ap = evaluate_coco(truth, found, IDS, kind).ap()
        assert run.metrics[f'coco/{kind}_mAP'] == pytest.approx(np.mean(ap))
    assert run.picture is None and run.name == 'found'


def test_boxes_alone(files):
    _, found, write = files
    for one in found:
        del one['segmentation']
    run = read_detections(*write(found))
    assert list(run.metrics) == ['coco/bbox_mAP', 'coco/bbox_mAP_50']


def test_images_are_shown(files, tmp_path):
    _, found, write = files
    picture(tmp_path / '2.png', (200, 200))
    run = read_detections(*write(found), tmp_path)
    drawn = run.analysis.draw(1, run.picture(1))
    assert drawn.width == 2 * drawn.height


def test_nothing_found(files):
    run = read_detections(*files[2]([]))
    assert run.metrics['coco/bbox_mAP'] == 0


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda content: content['images'].pop(), 'lacks 1 of the 13 images'),
        (lambda content: content['categories'][0].update(name='horse'), 'has the class horse'),
        (lambda content: content['annotations'][0].pop('score'), 'has detections without bbox'),
        (lambda content: content.pop('images'), 'is not of COCO'),
    ],
)
def test_what_does_not_belong_together_is_refused(change, message, files):
    truth, found, write = files
    content = with_own_ids(truth, found)
    change(content)
    with pytest.raises(DataError, match=message):
        read_detections(*write(content))


def test_ids_of_other_images_are_refused(files):
    _, found, write = files
    with pytest.raises(DataError, match='has ids of images that'):
        read_detections(*write([dict(found[0], image_id=1000)]))
