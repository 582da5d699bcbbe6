"""The selective scan: against its loop and the unified operator; what its kernel is given."""

import math

import pytest
import torch
import torch.nn.functional as F

from classification.models.ops import selective_scan as module
from classification.models.ops.selective_scan import naive_selective_scan, selective_scan
from classification.models.ops.unified import ForgetGate, naive_unified_attention


def scan_arguments():
    torch.manual_seed(0)
    x, delta = torch.randn(2, 2, 4, 6, 3, dtype=torch.float64)
    A, D = -torch.rand(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    B, C = torch.randn(2, 2, 4, 6, 1, dtype=torch.float64)
    return x, delta, A, B, C, D


def test_scan_is_the_unified_operator_with_an_order_per_head():
    x, delta, A, B, C, D = scan_arguments()
    step = F.softplus(delta)
    expected = naive_unified_attention(
        C, B, x, delta=step, a=ForgetGate(step, -A[:, None]), D=D[:, None], normalise=False
    )
    torch.testing.assert_close(selective_scan(x, delta, A, B, C, D), expected)


def test_scan_remembers_and_forgets():
    """A decay of 1 sums up 10,000 tokens, a decay of 0 keeps the last."""
    x = torch.ones(1, 4, 10_000, 2)
    one, D = torch.ones(1, 4, 10_000, 1), torch.zeros(4, 2)
    delta = torch.full_like(x, math.log(math.e - 1))  # Δ = 1
    y = selective_scan(x, delta, torch.full((4, 2), -1e-12), one, one, D)
    torch.testing.assert_close(y[0, 0, :, 0], torch.arange(1, 10_001.0))
    y = selective_scan(x, delta, torch.full((4, 2), -1e3), one, one, D)
    torch.testing.assert_close(y, x)


def mamba_ssm_scan(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):
    """What mamba_ssm's selective_scan_fn computes, in its layout.

    u, delta (B, channels, N), A (channels, states), B, C (B, groups, states, N), D (channels).
    """
    assert all(t.is_contiguous() for t in (u, delta, A, B, C, D)) and delta_softplus
    B, C = (t.repeat_interleave(u.shape[1] // t.shape[1], dim=1) for t in (B, C))
    delta, h, y = F.softplus(delta), 0, []
    for i in range(u.shape[-1]):
        step = delta[..., i, None]
        h = torch.exp(step * A) * h + step * B[..., i] * u[..., i, None]
        y.append((C[..., i] * h).sum(-1) + D * u[..., i])
    return torch.stack(y, dim=-1)


def test_kernel_is_given_its_layout(monkeypatch):
    monkeypatch.setattr(module, 'scan_kernel', mamba_ssm_scan)
    y = module._kernel_scan(*scan_arguments())
    torch.testing.assert_close(y, selective_scan(*scan_arguments()))


@pytest.mark.parametrize('tokens', [1, 6, 70])
def test_outputs_and_all_gradients_are_the_naive_ones(tokens):
    torch.manual_seed(0)
    shapes = [(2, 4, tokens, 3)] * 2 + [(4, 3)] + [(2, 4, tokens, 1)] * 2 + [(4, 3)]
    inputs = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    inputs[2] = -inputs[2].abs()  # A
    inputs = [x.requires_grad_() for x in inputs]
    results = []
    for function in (selective_scan, naive_selective_scan):
        y = function(*inputs)
        upstream = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        results.append([y, *torch.autograd.grad(y, inputs, upstream)])
    torch.testing.assert_close(*results)
