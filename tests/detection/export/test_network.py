"""export/network.py: mmdet's own predictions to the bit, without its loops over images."""

import pytest
import torch
from mmdet.structures import DetDataSample

from classification.exported.masks import paste_masks
from detection.export.network import TwoStageDetector
from detection.results import to_instances
from tests.detectors import detector

MOST = {'test_cfg__rcnn__max_per_img': 40, 'test_cfg__rpn__max_per_img': 60}


def predictions(model, x, shape, size):
    """mmdet's, of images `x` that were resized from `size` to `shape` and then padded."""
    scale = shape[1] / size[1], shape[0] / size[0]
    meta = dict(img_shape=shape, ori_shape=size, scale_factor=scale, pad_shape=x.shape[2:])
    samples = [DetDataSample(metainfo=meta) for _ in x]
    with torch.no_grad():
        return [sample.pred_instances for sample in model.predict(x, samples)]


def assert_equal(model, batch=1, shape=(90, 128), size=(135, 192), x=None):
    """What the network finds is what mmdet finds; number of objects of each image."""
    x = torch.randn(batch, 3, 96, 128) if x is None else x
    with torch.no_grad():
        found = TwoStageDetector(model)(x, torch.tensor(shape), torch.tensor(size))
    boxes, labels, scores, *masks, counts = found
    expected = predictions(model, x, shape, size)
    assert counts.tolist() == [len(wanted) for wanted in expected]
    start = 0
    for wanted, count in zip(expected, counts.tolist(), strict=True):
        own = slice(start, start + count)
        start += count
        assert torch.equal(boxes[own], wanted.bboxes)
        assert torch.equal(labels[own], wanted.labels)
        assert torch.equal(scores[own], wanted.scores)
        if masks:
            image = torch.zeros(*size, 3).numpy()
            instances = to_instances(image, wanted, [], [])
            pasted = paste_masks(masks[0][own].numpy(), boxes[own].numpy(), size)
            for one, other in zip(pasted, instances.cut_masks, strict=True):
                assert (one.whole(size) == other.whole(size)).all()
    assert start == len(boxes) == len(labels) == len(scores)
    assert bool(masks) == model.with_mask
    return counts.tolist()


@pytest.mark.parametrize('masks', [True, False])
@pytest.mark.parametrize('batch', [1, 3])
def test_the_most_detections(masks, batch):
    model = detector(masks, **MOST)
    assert assert_equal(model, batch) == [40] * batch


@pytest.mark.parametrize('masks', [True, False])
@pytest.mark.parametrize('batch', [1, 3])
def test_some_detections(masks, batch):
    model, x = detector(masks, **MOST), torch.randn(batch, 3, 96, 128)
    scores = predictions(model, x, (90, 128), (135, 192))[0].scores
    model.roi_head.test_cfg.score_thr = scores[10].item()
    counts = assert_equal(model, x=x)
    assert counts[0] == 10 and sum(counts) < 40 * batch


@pytest.mark.parametrize('masks', [True, False])
@pytest.mark.parametrize('batch', [1, 3])
def test_no_detections(masks, batch):
    model = detector(masks, **MOST, test_cfg__rcnn__score_thr=1.0)
    assert assert_equal(model, batch) == [0] * batch


def test_one_of_two_images_has_none():
    model, x = detector(**MOST), torch.randn(2, 3, 96, 128)
    scores = predictions(model, x, (96, 128), (96, 128))
    highest = [wanted.scores.max().item() for wanted in scores]
    model.roi_head.test_cfg.score_thr = sum(highest) / 2
    for images in (x, x.flip(0)):
        assert 0 in assert_equal(model, shape=(96, 128), size=(96, 128), x=images)


@pytest.mark.parametrize(
    'options',
    [
        dict(roi_head__bbox_head__reg_class_agnostic=True),
        dict(roi_head__mask_head__class_agnostic=True),
        dict(roi_head__mask_roi_extractor=None, roi_head__mask_head__upsample_cfg__type=None),
        dict(rpn_head__loss_cls__use_sigmoid=False),
        dict(test_cfg__rpn__min_bbox_size=20),
        dict(test_cfg__rpn__min_bbox_size=500),  # no proposals
        dict(test_cfg__rpn__nms_pre=30),
        dict(test_cfg__rpn__nms_pre=-1),
        dict(test_cfg__rcnn__nms__split_thr=10),
        dict(roi_head__bbox_head__num_classes=1, roi_head__mask_head__num_classes=1),
        dict(roi_head__bbox_head__bbox_coder__clip_border=False),
    ],
    ids=str,
)
def test_settings(options):
    model = detector(**{**MOST, **options})
    counts = assert_equal(model, 2)
    assert (counts == [0, 0]) == (options.get('test_cfg__rpn__min_bbox_size') == 500)


@pytest.mark.parametrize('size', [(90, 128), (45, 64), (271, 384), (1, 2)], ids=str)
def test_sizes_of_the_images(size):
    assert_equal(detector(**MOST), size=size)
