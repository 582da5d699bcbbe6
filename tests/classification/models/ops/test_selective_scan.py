"""The selective scan: against its loop and the unified operator; what its kernel is given."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from classification.models.ops import selective_scan as module
from classification.models.ops.selective_scan import naive_selective_scan, selective_scan
from classification.models.ops.unified import ForgetGate, naive_unified_attention


def scan_arguments(states=1, tokens=6, channels=3):
    torch.manual_seed(0)
    x, delta = torch.randn(2, 2, 4, tokens, channels, dtype=torch.float64)
    A = -2 * torch.rand(4, channels, states, dtype=torch.float64)
    B, C = torch.randn(2, 2, 4, tokens, states, dtype=torch.float64)
    D = torch.randn(4, channels, dtype=torch.float64)
    return x, delta, A, B, C, D


def test_scan_is_the_unified_operator_with_an_order_per_head():
    x, delta, A, B, C, D = scan_arguments()
    step = F.softplus(delta)
    expected = naive_unified_attention(
        C, B, x, delta=step, a=ForgetGate(step, -A[:, None, :, 0]), D=D[:, None], normalise=False
    )
    torch.testing.assert_close(selective_scan(x, delta, A, B, C, D), expected)


def test_scan_remembers_and_forgets():
    """A decay of 1 sums up 10,000 tokens, a decay of 0 keeps the last."""
    x = torch.ones(1, 4, 10_000, 2)
    one, D = torch.ones(1, 4, 10_000, 1), torch.zeros(4, 2)
    delta = torch.full_like(x, math.log(math.e - 1))  # Δ = 1
    y = selective_scan(x, delta, torch.full((4, 2, 1), -1e-12), one, one, D)
    torch.testing.assert_close(y[0, 0, :, 0], torch.arange(1, 10_001.0))
    y = selective_scan(x, delta, torch.full((4, 2, 1), -1e3), one, one, D)
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


@pytest.mark.parametrize('states', [1, 3])
def test_kernel_is_given_its_layout(monkeypatch, states):
    monkeypatch.setattr(module, 'scan_kernel', mamba_ssm_scan)
    y = module._kernel_scan(*scan_arguments(states))
    torch.testing.assert_close(y, selective_scan(*scan_arguments(states)))


def with_gradients(function, inputs):
    inputs = [x.detach().requires_grad_() for x in inputs]
    y = function(*inputs)
    upstream = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y, *torch.autograd.grad(y, inputs, upstream)]


# Constants of the module: as they are; several chunks of several parts of the sequences, walked in
# blocks of tokens; the same one token after the other.
SMALL = dict(CHUNK=dict(cpu=1), LEAST=35, TOKEN=300)


@pytest.mark.parametrize('constants', [{}, SMALL, dict(SMALL, LEAST=5)], ids=['usual', '35', '5'])
@pytest.mark.parametrize('states', [1, 16])
@pytest.mark.parametrize('tokens', [1, 6, 71])
def test_outputs_and_all_gradients_are_the_naive_ones(monkeypatch, tokens, states, constants):
    for name, value in constants.items():
        monkeypatch.setattr(module, name, value)
    inputs = scan_arguments(states, tokens)
    y, expected = (with_gradients(f, inputs) for f in (selective_scan, naive_selective_scan))
    # The reference takes F.softplus, which drops 2e-9 above 20.
    torch.testing.assert_close(y, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize('channels', [3, 400])  # 400 x 16 states are walked without blocks
def test_single_precision(channels):
    inputs = scan_arguments(16, 37, channels)
    expected = with_gradients(naive_selective_scan, inputs)
    y = with_gradients(selective_scan, [x.float() for x in inputs])
    for ours, exact in zip(y, expected, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - exact).norm() <= 1e-6 * exact.norm()


def test_gradients_are_derivatives(monkeypatch):
    monkeypatch.setattr(module, 'CHUNK', dict(cpu=1))
    monkeypatch.setattr(module, 'LEAST', 2)
    x, delta, A, B, C, D = scan_arguments(states=2, tokens=5, channels=2)
    inputs = [t[:1].requires_grad_() for t in (x, delta)] + [A.requires_grad_()]
    inputs += [t[:1].requires_grad_() for t in (B, C)] + [D.requires_grad_()]
    assert torch.autograd.gradcheck(selective_scan, inputs)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    inputs = [t.to(dtype) for t in scan_arguments(16)]
    with torch.autocast('cpu', dtype):
        y = with_gradients(selective_scan, inputs)
    expected = with_gradients(selective_scan, [t.float() for t in inputs])
    assert y[0].dtype == torch.float32
    for ours, exact in zip(y, expected, strict=True):
        torch.testing.assert_close(ours, exact.to(ours.dtype), rtol=1e-6, atol=0)


class Memory(TorchDispatchMode):
    """The largest tensor that an operator makes."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        y = function(*args, **(kwargs or {}))
        for t in y if isinstance(y, (tuple, list)) else [y]:
            if isinstance(t, torch.Tensor):
                self.numbers = max(self.numbers, t.numel())
        return y


def test_states_are_not_kept_for_all_tokens(monkeypatch):
    """16 of them per number of x, but no tensor is larger than x, forwards and backwards."""
    monkeypatch.setattr(module, 'CHUNK', dict(cpu=2**12))
    inputs = scan_arguments(16, 2000, channels=20)
    with Memory() as memory:
        with_gradients(selective_scan, inputs)
    assert memory.numbers == inputs[0].numel()


def test_compiles_and_exports():
    inputs = scan_arguments(16)
    expected = selective_scan(*inputs)
    torch._dynamo.reset()
    compiled = torch.compile(selective_scan, fullgraph=True, backend='aot_eager')
    torch.testing.assert_close(compiled(*inputs), expected)
    traced = torch.jit.trace(selective_scan, inputs)
    torch.testing.assert_close(traced(*inputs), expected)
