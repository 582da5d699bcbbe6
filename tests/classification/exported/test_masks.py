"""exported/masks.py: the very pixels of mmdet's `_do_paste_mask`."""

import detection  # noqa: F401  lets mmcv find its operators

# isort: split
import tracemalloc

import numpy as np
import pytest
import torch
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask

from classification.exported.masks import paste_masks

SIZE = 61, 83  # height, width
BOXES = {
    'inside': [10.3, 5.9, 40.7, 33.1],
    'whole image': [0, 0, 83, 61],
    'whole pixels': [10, 20, 38, 34],
    'beyond each edge': [-20.5, -7.25, 130.5, 100.125],
    'beyond one edge': [70.2, 10.1, 99.9, 20.2],
    'one pixel': [30, 30, 31, 31],
    'less than a pixel': [30.2, 30.3, 30.4, 30.9],
    'narrow': [30.2, 3, 30.21, 50],
    'no width': [30.2, 10, 30.2, 20],
    'no width, on the centre of a pixel': [30.5, 10.5, 30.5, 20],
    'no extent': [5, 5, 5, 5],
    'just at the corner': [82.5, 60.5, 90, 70],
    'enormous': [-1e5, -2e5, 1e5, 3e5],
}
MASKS = {
    'noise': lambda random: random.random((28, 28)),
    'two values': lambda random: random.random((28, 28)) > 0.5,
    'quarters': lambda random: random.integers(0, 5, (28, 28)) / 4,
    'at the threshold': lambda random: np.full((28, 28), 0.5),
    'full': lambda random: np.ones((28, 28)),
    'other size': lambda random: random.random((14, 7)),
}


# Other processors multiply and add in two steps: what is just at the threshold is at their mercy.
CLOSE = 0 if torch.backends.cpu.get_cpu_capability() in ('AVX2', 'AVX512') else 1e-6


def assert_same(pasted, mask, box):
    """As mmdet pastes a mask on a CPU, where each is pasted alone."""
    probabilities = np.zeros(SIZE, np.float32)
    values, where = _do_paste_mask(
        torch.from_numpy(mask)[None, None], torch.from_numpy(box)[None], *SIZE, skip_empty=True
    )
    probabilities[where] = values[0].numpy()
    same = pasted.whole(SIZE) == (probabilities >= 0.5)
    assert (same | (abs(probabilities - 0.5) < CLOSE)).all()


@pytest.mark.parametrize('kind', MASKS)
@pytest.mark.parametrize('name', BOXES)
def test_masks_are_those_of_mmdet(name, kind):
    mask = MASKS[kind](np.random.default_rng(0)).astype(np.float32)
    box = np.array(BOXES[name], np.float32)
    (pasted,) = paste_masks(mask[None], box[None], SIZE)
    assert_same(pasted, mask, box)


@pytest.mark.parametrize('seed', range(20))
def test_many_boxes(seed):
    """Of all sizes, some on whole pixels, some partly outside."""
    random = np.random.default_rng(seed)
    corners = random.uniform(-20, 80, (20, 2))
    corners = np.concatenate([corners, corners + random.uniform(0.1, 60, (20, 2))], axis=1)
    boxes = np.where(random.random((20, 1)) < 0.5, corners, np.round(corners)).astype(np.float32)
    boxes = boxes[(boxes[:, 2:] > 0).all(axis=1) & (boxes[:, :2] < SIZE[::-1]).all(axis=1)]
    masks = (random.integers(0, 9, (len(boxes), 28, 28)) / 8).astype(np.float32)
    for pasted, mask, box in zip(paste_masks(masks, boxes, SIZE), masks, boxes, strict=True):
        assert_same(pasted, mask, box)


@pytest.mark.parametrize(
    'box',
    [[-50, 5, -10, 20], [5, -50, 20, -10], [100, 5, 120, 20], [5, 70, 20, 90], [40, 20, 10, 30]],
    ids=['left', 'above', 'right', 'below', 'turned over'],
)
def test_boxes_without_a_pixel(box):
    """Where mmdet fails."""
    (pasted,) = paste_masks(np.ones((1, 28, 28)), np.array([box]), SIZE)
    assert not pasted.whole(SIZE).any()


def test_no_masks():
    assert paste_masks(np.zeros((0, 28, 28)), np.zeros((0, 4)), SIZE) == []


def test_memory_is_that_of_the_boxes():
    """20 small objects in an image of 400 million pixels, and one that fills 16 million."""
    random = np.random.default_rng(0)
    corners = random.uniform(0, 19000, (20, 2))
    boxes = np.concatenate([corners, corners + 50], axis=1)
    tracemalloc.start()
    try:
        paste_masks(random.random((20, 28, 28)), boxes, (20000, 20000))
        assert tracemalloc.get_traced_memory()[1] < 2e6
        paste_masks(np.ones((1, 28, 28)), np.array([[0, 0, 4000, 4000]]), (4000, 4000))
        assert tracemalloc.get_traced_memory()[1] < 64e6
    finally:
        tracemalloc.stop()
