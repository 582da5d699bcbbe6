"""Focal losses against autograd on their definition."""

import pytest
import torch
import torch.nn.functional as F

from classification.mmcv_ops.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)

GAMMA, ALPHA = 2.0, 0.25


@pytest.fixture
def logits():
    torch.manual_seed(0)
    return 3 * torch.randn(9, 4, dtype=torch.float64)


@pytest.mark.parametrize('weighted', [False, True])
def test_sigmoid(logits, weighted):
    # 4 is the background of four classes; a weight exists for real classes only.
    target = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0 if weighted else 4])
    weight = torch.rand(4, dtype=logits.dtype) if weighted else logits.new_zeros(0)
    loss, grad = torch.zeros_like(logits), torch.zeros_like(logits)
    sigmoid_focal_loss_forward(logits, target, weight, loss, GAMMA, ALPHA)
    sigmoid_focal_loss_backward(logits, target, weight, grad, GAMMA, ALPHA)

    logits.requires_grad_()
    one_hot = F.one_hot(target, 5)[:, :4].to(logits.dtype)
    p = logits.sigmoid()
    right = p * one_hot + (1 - p) * (1 - one_hot)
    factor = ALPHA * one_hot + (1 - ALPHA) * (1 - one_hot)
    expected = -factor * (1 - right) ** GAMMA * right.log()
    if weighted:
        expected = expected * weight[target][:, None]
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(grad, torch.autograd.grad(expected.sum(), logits)[0])


@pytest.mark.parametrize('weighted', [False, True])
def test_softmax(logits, weighted):
    target = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, -1])
    weight = torch.rand(4, dtype=logits.dtype) if weighted else logits.new_zeros(0)
    loss, buff, grad = logits.new_zeros(9), logits.new_zeros(9), torch.zeros_like(logits)
    probabilities = logits.softmax(1)
    softmax_focal_loss_forward(probabilities, target, weight, loss, GAMMA, ALPHA)
    softmax_focal_loss_backward(probabilities, target, weight, buff, grad, GAMMA, ALPHA)

    logits.requires_grad_()
    p = logits.softmax(1)[torch.arange(8), target[:8]]
    expected = -ALPHA * (1 - p) ** GAMMA * p.log()
    if weighted:
        expected = expected * weight[target[:8]]
    torch.testing.assert_close(loss, torch.cat([expected, expected.new_zeros(1)]))
    torch.testing.assert_close(grad, torch.autograd.grad(expected.sum(), logits)[0])


@pytest.mark.parametrize('logit', [-200.0, 200.0])
def test_sure_and_wrong_stays_finite(logit):
    logits, target = torch.full((1, 2), logit), torch.tensor([0])
    loss, grad = torch.zeros_like(logits), torch.zeros_like(logits)
    sigmoid_focal_loss_forward(logits, target, torch.zeros(0), loss, GAMMA, ALPHA)
    sigmoid_focal_loss_backward(logits, target, torch.zeros(0), grad, GAMMA, ALPHA)
    assert loss.isfinite().all() and grad.isfinite().all()
