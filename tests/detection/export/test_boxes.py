"""export/boxes.py: the arithmetic of mmdet and mmcv, to the bit."""

import pytest
import torch
from mmcv.ops import batched_nms
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from mmdet.models.task_modules.prior_generators import AnchorGenerator

import detection  # noqa: F401
from detection.export.boxes import decode, grid_anchors, grouped_nms, ranks


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def boxes(generator, *shape):
    corners = torch.rand(*shape, 2, generator=generator) * 60
    sizes = torch.rand(*shape, 2, generator=generator) * 40
    return torch.cat([corners, corners + sizes], dim=-1)


@pytest.mark.parametrize(
    'options',
    [
        dict(scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16]),
        dict(scales=[2, 4.5], ratios=[1.0], strides=[(4, 6), (8, 12), (16, 24)]),
        dict(scales=[8], ratios=[0.5, 1.0], strides=[4, 8, 16], center_offset=0.5),
    ],
    ids=str,
)
def test_anchors(options):
    anchors = AnchorGenerator(**options)
    sizes = [(13, 7), (1, 5), (4, 4)]
    expected = anchors.grid_priors(sizes, device='cpu')
    for level, size in enumerate(sizes):
        found = grid_anchors(anchors.base_anchors[level], anchors.strides[level], *size)
        assert torch.equal(found, expected[level])


@pytest.mark.parametrize(
    'options',
    [
        dict(target_stds=(0.1, 0.1, 0.2, 0.2)),
        dict(target_means=(0.1, 0.0, -0.1, 0.2)),
        dict(clip_border=False),
    ],
    ids=str,
)
def test_decode(options, generator):
    coder = DeltaXYWHBBoxCoder(**options)
    given = boxes(generator, 500)
    # Some beyond the limit of sizes, and boxes beyond the image.
    deltas = torch.randn(500, 4, generator=generator) * 4
    expected = coder.decode(given, deltas, max_shape=(70, 50))
    shape = torch.tensor([70, 50])
    assert torch.equal(decode(coder, given, deltas, shape), expected)
    # A box of each of several classes, and a batch.
    several = decode(coder, given[None, :, None], deltas.view(1, 500, 1, 4), shape)
    assert torch.equal(several[0, :, 0], expected)


@pytest.mark.parametrize('score_thr, most', [(0.0, 1000), (0.4, 1000), (0.4, 5)])
def test_nms_in_groups(score_thr, most, generator):
    given, scores = boxes(generator, 3, 120), torch.rand(3, 120, generator=generator)
    groups = torch.arange(4).repeat(30)
    kept = grouped_nms(given, scores, groups, 0.5, score_thr, most)
    for image in range(3):
        valid = (scores[image] > score_thr).nonzero()[:, 0]
        expected = batched_nms(
            given[image, valid], scores[image, valid], groups[valid], dict(iou_threshold=0.5)
        )[1]
        assert torch.equal(kept[kept[:, 0] == image, 1], valid[expected][:most])


def test_no_box_is_good_enough(generator):
    given, scores = boxes(generator, 2, 9), torch.rand(2, 9, generator=generator)
    assert grouped_nms(given, scores, torch.zeros(9), 0.5, 1.0, 5).shape == (0, 2)


def test_nms_in_groups_is_not_moved_by_what_is_left_out(generator):
    """A huge box with a low score takes no precision from the others."""
    given, scores = boxes(generator, 1, 60), torch.rand(1, 60, generator=generator) / 2 + 0.5
    groups = torch.arange(3).repeat(20)
    expected = grouped_nms(given, scores, groups, 0.5, 0.1, 100)
    huge = torch.cat([given, torch.tensor([[[0, 0, 1e9, 1e9]]])], dim=1)
    low = torch.cat([scores, torch.tensor([[0.05]])], dim=1)
    groups = torch.cat([groups, torch.tensor([0])])
    assert torch.equal(grouped_nms(huge, low, groups, 0.5, 0.1, 100), expected)


def test_ranks():
    images = torch.tensor([0, 0, 2, 2, 2, 3])
    rank, counts = ranks(images, torch.arange(5))
    assert rank.tolist() == [0, 1, 0, 1, 2, 0]
    assert counts.tolist() == [2, 0, 3, 1, 0]
    rank, counts = ranks(images[:0], torch.arange(2))
    assert rank.shape == (0,) and counts.tolist() == [0, 0]
