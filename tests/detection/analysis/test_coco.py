"""Against pycocotools used as its documentation says, on random scenes with crowds."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detection.analysis.coco import SIZES, evaluate_coco
from detection.analysis.errors import ap_costs, average_precision, find_errors
from detection.analysis.images import confusion_matrix, judge_image

IDS = [7, 3, 5]  # of the classes, in the model's order


def scenes(seed=0, images=12):
    """(annotation file, detections): shifted truths, and some that are false."""
    rng = np.random.default_rng(seed)
    truths, found = [], []
    for image_id in range(1, images + 1):
        for _ in range(rng.integers(0, 6)):
            box = [*rng.integers(0, 90, 2), *rng.integers(8, 110, 2)]
            one = annotation(image_id, int(rng.choice(IDS)), box)
            truths.append(dict(one, id=len(truths) + 1, iscrowd=int(rng.random() < 0.15)))
            for _ in range(rng.integers(0, 3)):
                moved = [max(1, int(side + rng.normal(0, 3))) for side in box]
                label = int(rng.choice(IDS)) if rng.random() < 0.2 else one['category_id']
                found.append(dict(annotation(image_id, label, moved), score=float(rng.random())))
        noise = annotation(image_id, int(rng.choice(IDS)), [*rng.integers(0, 90, 2), 30, 30])
        found.append(dict(noise, score=float(rng.random())))
    infos = [dict(id=i, width=200, height=200) for i in range(1, images + 2)]  # one without all
    categories = [dict(id=i, name=f'class {i}') for i in IDS]
    return dict(images=infos, categories=categories, annotations=truths), found


def annotation(image_id, label, box):
    x, y, w, h = map(int, box)
    mask = np.zeros((200, 200), np.uint8)
    mask[y : y + h, x : x + w] = 1
    return dict(
        image_id=image_id,
        category_id=label,
        bbox=[x, y, w, h],
        segmentation=coco_mask.encode(np.asfortranarray(mask)),
        area=float(mask.sum()),
    )


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


@pytest.mark.parametrize('score_thr', [0.0, 0.5, 2.0])
def test_the_confusion_matrix_counts_each_object_once(score_thr):
    truth, found = scenes()
    scores = evaluate_coco(truth, found, IDS, 'bbox')
    images = list(scores.images.values())
    counts = confusion_matrix(images, len(IDS), score_thr)
    np.testing.assert_array_equal(counts[:-1].sum(axis=1), scores.objects[:, 0])
    shown = sum((image.scores >= score_thr)[~image.ignored].sum() for image in images)
    assert counts[:, :-1].sum() == shown
    hits = sum(judge_image(image, score_thr).kinds.count('right') for image in images)
    assert np.trace(counts) == hits


def test_a_wrong_class_is_off_the_diagonal():
    truth, _ = scenes(images=1)
    truth['annotations'] = [
        dict(annotation(1, 7, [0, 0, 50, 50]), id=1, iscrowd=0),
        dict(annotation(1, 3, [100, 0, 50, 50]), id=2, iscrowd=0),
        dict(annotation(1, 5, [0, 100, 50, 50]), id=3, iscrowd=0),
    ]
    found = [
        dict(annotation(1, 7, [0, 0, 50, 50]), score=0.9),  # right
        dict(annotation(1, 7, [100, 0, 50, 45]), score=0.8),  # class 3 taken for 7
        dict(annotation(1, 5, [150, 150, 50, 50]), score=0.7),  # in the background
    ]
    image = evaluate_coco(truth, found, IDS, 'bbox').images[1]
    expected = [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert confusion_matrix([image], 3, 0.5).tolist() == expected
    outcome = judge_image(image, 0.5)
    assert (outcome.mistakes, outcome.quality) == (4, pytest.approx(2 / 6))
    assert average_precision(np.array([0.9, 0.8]), np.array([True, False]), 1) == 1
