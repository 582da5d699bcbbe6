"""AP of resampled images, against COCO's evaluation of data that hold the copies."""

import numpy as np
import pytest

from detection.analysis.coco import evaluate_coco
from detection.analysis.resampling import resampled_ap
from tests.scenes import IDS, scenes


def with_copies(truth, found, counts):
    """The data in which each image stands as often as `counts` says."""
    images, annotations, detections = [], [], []
    for image, count in zip(truth['images'], counts, strict=True):
        for _ in range(count):
            number = len(images) + 1
            images.append(dict(image, id=number))
            for old, new in ((truth['annotations'], annotations), (found, detections)):
                new += [dict(one, image_id=number) for one in old if one['image_id'] == image['id']]
    annotations = [dict(one, id=i) for i, one in enumerate(annotations, start=1)]
    return dict(truth, images=images, annotations=annotations), detections


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
@pytest.mark.parametrize('seed', range(2))
def test_ap_is_that_of_data_with_copies(kind, seed):
    truth, found = scenes(seed)
    counts = np.random.default_rng(seed).integers(0, 4, (len(truth['images']), 5))
    ours = resampled_ap(evaluate_coco(truth, found, IDS, kind).classes, counts)
    for r in range(counts.shape[1]):
        expected = evaluate_coco(*with_copies(truth, found, counts[:, r]), IDS, kind).ap()
        np.testing.assert_allclose(ours[:, r], expected, atol=1e-12)


@pytest.mark.parametrize('seed', range(3))
def test_each_image_once_is_the_ap_itself(seed):
    scores = evaluate_coco(*scenes(seed, images=40), IDS, 'bbox')
    counts = np.ones((len(scores.images), 70), int)  # more than are computed at one time
    expected = np.repeat(scores.ap()[:, None], 70, axis=1)
    np.testing.assert_allclose(resampled_ap(scores.classes, counts), expected, atol=1e-12)


def test_recalls_are_rounded_as_coco_rounds_them():
    """57 of 100 objects are a recall of 0.57, but 57 * 0.01 is more than that."""
    truth, found = scenes()
    box = dict(truth['annotations'][0], iscrowd=0, category_id=7)
    truth['images'] = [dict(id=i, width=200, height=200) for i in range(1, 101)]
    truth['annotations'] = [dict(box, image_id=i, id=i) for i in range(1, 101)]
    found = [dict(box, image_id=i, score=1 - i / 200) for i in range(1, 58)]
    scores = evaluate_coco(truth, found, [7], 'bbox')
    ours = resampled_ap(scores.classes, np.ones((100, 1)))
    assert ours[0, 0] == pytest.approx(scores.ap()[0], abs=1e-12)


@pytest.mark.parametrize('nothing', ['found', 'objects', 'drawn'])
def test_nothing(nothing):
    truth, found = scenes()
    if nothing == 'objects':
        truth['annotations'] = []
    classes = evaluate_coco(truth, [] if nothing == 'found' else found, IDS, 'bbox').classes
    ap = resampled_ap(classes, np.full((len(truth['images']), 2), nothing != 'drawn', int))
    expected = 0 if nothing == 'found' else np.nan
    np.testing.assert_array_equal(ap, np.full((len(IDS), 2), expected))
