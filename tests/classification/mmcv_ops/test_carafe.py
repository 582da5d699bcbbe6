"""CARAFE against `unfold`, and its gradients."""

import pytest
import torch
import torch.nn.functional as F

from classification.mmcv_ops.carafe import carafe_backward, carafe_forward


def naive(features, masks, kernel, groups, scale):
    batch, channels, height, width = features.shape
    patches = F.unfold(features, kernel, padding=kernel // 2)
    patches = patches.view(batch, channels * kernel**2, height, width)
    patches = F.interpolate(patches, scale_factor=scale, mode='nearest')
    patches = patches.view(batch, groups, channels // groups, kernel**2, *masks.shape[2:])
    kernels = masks.view(batch, groups, 1, kernel**2, *masks.shape[2:])
    return (patches * kernels).sum(3).flatten(1, 2)


@pytest.mark.parametrize('kernel, groups, scale', [(1, 1, 1), (3, 1, 2), (5, 2, 2), (3, 4, 3)])
def test_definition_with_gradients(kernel, groups, scale):
    torch.manual_seed(0)
    features = torch.randn(2, 4, 5, 7, dtype=torch.float64)
    masks = torch.rand(2, groups * kernel**2, 5 * scale, 7 * scale, dtype=torch.float64)
    output = features.new_zeros(2, 4, 5 * scale, 7 * scale)
    sizes = (kernel, groups, scale)
    kept = torch.zeros_like(features)
    carafe_forward(features, masks, kept, output, masks, output, *sizes)
    grad = torch.randn_like(output)
    grads = torch.zeros_like(features), torch.zeros_like(masks)
    carafe_backward(grad, kept, masks, *(None,) * 4, *grads, *sizes)

    features.requires_grad_()
    masks.requires_grad_()
    expected = naive(features, masks, *sizes)
    torch.testing.assert_close(output, expected)
    for actual, reference in zip(
        grads, torch.autograd.grad(expected, (features, masks), grad), strict=True
    ):
        torch.testing.assert_close(actual, reference)


@pytest.mark.parametrize('training', [False, True])
def test_mmcv_module(training):
    """As mmdet's FPN_CARAFE builds it."""
    from mmcv.ops.carafe import CARAFEPack

    module = CARAFEPack(channels=8, scale_factor=2)
    features = torch.randn(1, 8, 6, 6, requires_grad=training)
    output = module(features)
    assert output.shape == (1, 8, 12, 12)
    if training:
        output.sum().backward()
        assert features.grad.abs().sum() > 0
        assert all(p.grad is not None for p in module.parameters())
