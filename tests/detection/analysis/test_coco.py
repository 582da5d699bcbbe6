"""Against pycocotools used as its documentation says, on random scenes with crowds."""

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detection.analysis.coco import SIZES, evaluate_coco
from detection.analysis.errors import KINDS, ap_costs, find_errors
from tests.scenes import IDS, annotation, scenes


def reference(truth, found, kind):
    gt = COCO()
    gt.dataset = truth
    gt.createIndex()
    keys = ('image_id', 'category_id', 'score', 'bbox' if kind == 'bbox' else 'segmentation')
    evaluation = COCOeval(gt, gt.loadRes([{k: one[k] for k in keys} for one in found]), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
@pytest.mark.parametrize('seed', range(3))
def test_ap_equals_pycocotools(kind, seed):
    truth, found = scenes(seed)
    stats = reference(truth, found, kind).stats
    scores = evaluate_coco(truth, found, IDS, kind)
    ours = [
        scores.ap(),
        scores.ap(iou=0.5),
        scores.ap(iou=0.75),
        *(scores.ap(size) for size in SIZES[1:]),
    ]
    np.testing.assert_allclose([np.nanmean(values) for values in ours], stats[:6], atol=1e-12)


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_each_class_has_its_own_ap(kind):
    truth, found = scenes()
    precision = reference(truth, found, kind).eval['precision'][..., 0, -1]
    expected = precision[:, :, [sorted(IDS).index(i) for i in IDS]].mean(axis=(0, 1))
    np.testing.assert_allclose(evaluate_coco(truth, found, IDS, kind).ap(), expected)


@pytest.mark.parametrize('seed', range(3))
def test_the_costs_start_from_the_same_ap(seed):
    truth, found = scenes(seed)
    scores = evaluate_coco(truth, found, IDS, 'bbox')
    images = list(scores.images.values())
    errors = [find_errors(image) for image in images]
    ap, costs = ap_costs(images, errors, len(IDS))
    assert ap == pytest.approx(np.nanmean(scores.ap(iou=0.5)), abs=1e-12)
    assert all(cost >= -1e-12 for kind, cost in costs.items() if kind != 'class')


# Costs and numbers by the authors' tidecv 1.0.1, in the order of KINDS.
@pytest.mark.parametrize(
    'seed, costs, numbers',
    [
        (0, [8.11, 3.06, 0.97, 6.43, 4.24, 14.68], [23, 9, 18, 31, 17, 38]),
        (1, [8.68, 5.87, 1.73, 7.99, 2.82, 13.29], [15, 12, 28, 26, 18, 27]),
        (2, [5.17, 6.38, 1.11, 7.90, 3.76, 12.57], [12, 12, 14, 35, 14, 34]),
    ],
)
def test_errors_are_those_of_tide(seed, costs, numbers):
    truth, found = scenes(seed, images=40)
    truth['annotations'] = [one for one in truth['annotations'] if not one['iscrowd']]
    images = list(evaluate_coco(truth, found, IDS, 'bbox').images.values())
    errors = [find_errors(image) for image in images]
    ours = ap_costs(images, errors, len(IDS))[1]
    assert [round(100 * ours[kind], 2) for kind in KINDS] == costs
    counts = [sum(error.kinds.count(kind) for error in errors) for kind in KINDS]
    counts[-1] = sum(int(error.missed.sum()) for error in errors)
    assert counts == numbers


def test_zero_detections_and_zero_truths():
    truth, found = scenes()
    scores = evaluate_coco(truth, [], IDS, 'bbox')
    assert (scores.ap() == 0).all()
    assert sum(len(image.truths) for image in scores.images.values()) == scores.objects[:, 0].sum()
    scores = evaluate_coco(dict(truth, annotations=[]), found, IDS, 'bbox')
    assert np.isnan(scores.ap()).all()
    assert len(scores.images) == len(truth['images'])


def test_an_annotation_with_the_id_0_can_be_found():
    """COCOeval's own matches take 0 for none."""
    truth = dict(
        images=[dict(id=1, width=200, height=200)],
        categories=[dict(id=7, name='a')],
        annotations=[dict(annotation(1, 7, [5, 5, 40, 40]), id=0, iscrowd=0)],
    )
    found = [dict(annotation(1, 7, [5, 5, 40, 40]), score=0.9)]
    scores = evaluate_coco(truth, found, [7], 'bbox')
    assert scores.ap() == [pytest.approx(1)]
    assert scores.images[1].match.tolist() == [0]
