"""Multi-scale deformable attention against mmcv's own form in PyTorch."""

import torch

import classification  # noqa: F401
from classification.mmcv_ops.deform_attention import (
    ms_deform_attn_backward,
    ms_deform_attn_forward,
)


def test_mmcvs_form_with_gradients():
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    torch.manual_seed(0)
    shapes = torch.tensor([[5, 4], [3, 2], [1, 1]])
    value = torch.randn(2, 27, 2, 4, dtype=torch.float64)
    locations = 1.4 * torch.rand(2, 6, 2, 3, 4, 2, dtype=torch.float64) - 0.2
    weights = torch.rand(2, 6, 2, 3, 4, dtype=torch.float64)
    start = torch.tensor([0, 20, 26])
    inputs = value, locations, weights
    output = ms_deform_attn_forward(value, shapes, start, locations, weights, im2col_step=64)
    grad, grads = torch.randn_like(output), [torch.zeros_like(x) for x in inputs]
    ms_deform_attn_backward(value, shapes, start, *inputs[1:], grad, *grads, im2col_step=64)

    for x in inputs:
        x.requires_grad_()
    expected = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    torch.testing.assert_close(output, expected)
    for actual, reference in zip(grads, torch.autograd.grad(expected, inputs, grad), strict=True):
        torch.testing.assert_close(actual, reference)
