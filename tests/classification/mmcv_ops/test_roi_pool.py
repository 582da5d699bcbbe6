"""RoIPool and its deformable form, against loops and against RoIAlign."""

import math

import pytest
import torch

from classification.mmcv_ops.roi_align import roi_align_forward
from classification.mmcv_ops.roi_pool import (
    deform_roi_pool_backward,
    deform_roi_pool_forward,
    roi_pool_backward,
    roi_pool_forward,
)

ROIS = torch.tensor(
    [[0.0, 2, 3, 17, 15], [1, -9, -7, 8, 6], [1, 20, 15, 60, 50], [0, 90, 90, 99, 99]],
    dtype=torch.float64,
)
SCALE, SIZE = 0.5, (3, 2)


@pytest.fixture
def maps():
    torch.manual_seed(0)
    return torch.randn(2, 3, 9, 13, dtype=torch.float64)


def naive(maps):
    """Each bin widened to whole pixels, as mmcv's kernel has it."""
    output = torch.zeros(len(ROIS), 3, *SIZE, dtype=maps.dtype)
    for r, (image, x1, y1, x2, y2) in enumerate(ROIS.tolist()):
        left, top = SCALE * x1, SCALE * y1
        width, height = SCALE * (x2 + 1) - left, SCALE * (y2 + 1) - top
        for i in range(SIZE[0]):
            for j in range(SIZE[1]):
                rows = [math.floor(top + i * height / 3), math.ceil(top + (i + 1) * height / 3)]
                columns = [math.floor(left + j * width / 2), math.ceil(left + (j + 1) * width / 2)]
                rows = [min(max(row, 0), 9) for row in rows]
                columns = [min(max(column, 0), 13) for column in columns]
                bin_ = maps[int(image), :, slice(*rows), slice(*columns)]
                if bin_.numel():
                    output[r, :, i, j] = bin_.flatten(1).max(1)[0]
    return output


def test_roi_pool(maps):
    output = maps.new_full((len(ROIS), 3, *SIZE), 9.0)
    argmax = torch.zeros_like(output, dtype=torch.int)
    roi_pool_forward(maps, ROIS, output, argmax, *SIZE, SCALE)
    grad, grad_input = torch.randn_like(output), torch.zeros_like(maps)
    roi_pool_backward(grad, ROIS, argmax, grad_input, *SIZE, SCALE)

    maps.requires_grad_()
    expected = naive(maps)
    assert torch.equal(output, expected)
    torch.testing.assert_close(grad_input, torch.autograd.grad(expected, maps, grad)[0])


@pytest.mark.parametrize('ratio', [0, 2])
def test_deform_roi_pool_without_offsets_is_roi_align(maps, ratio):
    output = maps.new_zeros(len(ROIS), 3, *SIZE)
    expected = torch.zeros_like(output)
    deform_roi_pool_forward(maps, ROIS, maps.new_zeros(0), output, *SIZE, SCALE, ratio, 0.1)
    unused = torch.zeros(0)
    roi_align_forward(maps, ROIS, expected, unused, unused, *SIZE, SCALE, ratio, 1, True)
    torch.testing.assert_close(output, expected)


def test_deform_roi_pool_moves_a_bin_by_its_offset(maps):
    """An offset of 1 at gamma .1 moves the bin by a tenth of the region's side."""
    rois = torch.tensor([[0.0, 4, 4, 14, 14]], dtype=maps.dtype)
    moved = rois + torch.tensor([0, 1.0, 0, 1, 0], dtype=maps.dtype)
    offset = maps.new_zeros(1, 2, *SIZE)
    offset[:, 0] = 1  # x
    output, expected = (maps.new_zeros(1, 3, *SIZE) for _ in range(2))
    deform_roi_pool_forward(maps, rois, offset, output, *SIZE, SCALE, 2, 0.1)
    deform_roi_pool_forward(maps, moved, maps.new_zeros(0), expected, *SIZE, SCALE, 2, 0.1)
    torch.testing.assert_close(output, expected)


def test_gradients_of_deform_roi_pool(maps):
    """Against finite differences."""
    maps = maps[:, :1, :8, :9].clone()
    offset = 0.3 * torch.randn(len(ROIS), 2, *SIZE, dtype=maps.dtype)

    class Pool(torch.autograd.Function):
        @staticmethod
        def forward(ctx, maps, offset):
            ctx.save_for_backward(maps, offset)
            output = maps.new_zeros(len(ROIS), 1, *SIZE)
            deform_roi_pool_forward(maps, ROIS, offset, output, *SIZE, SCALE, 2, 0.1)
            return output

        @staticmethod
        def backward(ctx, grad):
            maps, offset = ctx.saved_tensors
            grads = torch.zeros_like(maps), torch.zeros_like(offset)
            deform_roi_pool_backward(grad, maps, ROIS, offset, *grads, *SIZE, SCALE, 2, 0.1)
            return grads

    inputs = maps.requires_grad_(), offset.requires_grad_()
    assert torch.autograd.gradcheck(Pool.apply, inputs, eps=1e-6, atol=1e-5)


def test_no_regions(maps):
    output, offset = maps.new_zeros(0, 3, *SIZE), maps.new_zeros(0, 2, *SIZE)
    argmax = torch.zeros_like(output, dtype=torch.int)
    roi_pool_forward(maps, ROIS[:0], output, argmax, *SIZE, SCALE)
    deform_roi_pool_forward(maps, ROIS[:0], offset, output, *SIZE, SCALE, 2, 0.1)
    grads = torch.ones_like(maps), torch.ones_like(offset)
    deform_roi_pool_backward(
        output, maps, ROIS[:0], maps.new_zeros(0), *grads, *SIZE, SCALE, 2, 0.1
    )
    assert not grads[0].any()
    roi_pool_backward(output, ROIS[:0], argmax, grads[0].fill_(1), *SIZE, SCALE)
    assert not grads[0].any()
