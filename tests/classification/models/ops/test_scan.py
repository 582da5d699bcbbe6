"""The recurrence against its naive loop, at awkward lengths and long ones."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from classification.models.ops.scan import (
    BLOCK,
    linear_recurrence,
    naive_linear_recurrence,
    walk,
)


def run(function, inputs, upstream):
    """Output and the gradients of all inputs."""
    inputs = [x.detach().requires_grad_() for x in inputs]
    y = function(*inputs)
    return [y, *torch.autograd.grad(y, inputs, upstream)]


def assert_same(got, expected, dtype):
    for x, y in zip(got, expected, strict=True):
        assert x.shape == y.shape and x.dtype == dtype
        scale = y.abs().max().clamp(min=1)
        assert (x - y).abs().max() <= scale * (1e-12 if dtype == torch.float64 else 2e-6)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('start', [False, True], ids=['zero', 'initial'])
@pytest.mark.parametrize(
    'shape, dim',
    [
        ((1, 1), 1),
        ((2, 3, 2), -1),
        ((5, BLOCK, 3), 1),
        ((BLOCK + 1, 2), 0),
        ((2, 3, 2 * BLOCK - 1), -1),
        ((2, 3, 2 * BLOCK, 2, 3), 2),
        ((1, BLOCK**2 + BLOCK + 5, 2), 1),
    ],
)
def test_outputs_and_all_gradients_are_the_naive_ones(shape, dim, start, dtype):
    torch.manual_seed(0)
    a = torch.rand(shape, dtype=dtype)
    a[a < 0.1] = 0
    a[a > 0.9] = 1
    inputs = [a, torch.randn(shape, dtype=dtype)]
    if start:
        inputs.append(torch.randn_like(a.select(dim, 0)))
    upstream = torch.randn(shape, dtype=dtype)
    got = run(lambda a, b, *h: linear_recurrence(a, b, dim, *h), inputs, upstream)
    expected = run(lambda a, b, *h: naive_linear_recurrence(a, b, dim, *h), inputs, upstream)
    assert_same(got, expected, dtype)


def test_gradients_pass_gradcheck():
    torch.manual_seed(0)
    inputs = [torch.rand(2, 70, 2), torch.randn(2, 70, 2), torch.randn(2, 2)]
    inputs = [x.double().requires_grad_() for x in inputs]
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(lambda a, b, h: linear_recurrence(a, b, 1, h), inputs, fast_mode=True)


def test_a_and_b_broadcast():
    torch.manual_seed(0)
    a, b = torch.rand(70, 1), torch.randn(2, 70, 3)
    upstream = torch.randn(2, 70, 3)
    got = run(lambda a, b: linear_recurrence(a, b, 1), [a, b], upstream)
    expected = run(lambda a, b: naive_linear_recurrence(a.expand_as(b), b, 1), [a, b], upstream)
    assert_same(got, expected, torch.float32)


def test_layout_of_the_inputs_does_not_matter():
    a, b = torch.rand(3, 100, 4), torch.randn(4, 100, 3).transpose(0, 2)
    assert torch.equal(linear_recurrence(a, b, 1), linear_recurrence(a, b.contiguous(), 1))


@pytest.mark.parametrize('tokens', [4096, 65536])
def test_long_sequences_with_decays_from_1_to_near_0(tokens):
    generator = np.random.default_rng(0)
    half_lives = np.array([np.inf, 3e4, 1e3, 30, 1, 0.1, 0.01])  # 2^-100 at the last
    a = np.exp(-np.log(2) / half_lives * generator.uniform(0.5, 1.5, (tokens, 7)))
    b, upstream = generator.standard_normal((2, tokens, 7))

    h, g = np.zeros((2, tokens + 2, 7))
    following = np.concatenate((a, a[:1]))
    for i in range(tokens):
        h[i + 1] = a[i] * h[i] + b[i]
    for i in reversed(range(tokens)):
        g[i] = upstream[i] + following[i + 1] * g[i + 1]
    expected = h[1:-1], g[:tokens] * h[:tokens], g[:tokens]

    inputs = [torch.from_numpy(x).float() for x in (a, b)]
    got = run(lambda a, b: linear_recurrence(a, b, 0), inputs, torch.from_numpy(upstream).float())
    for x, y in zip(got, expected, strict=True):
        error = np.abs(x.detach().numpy() - y).max(axis=0)
        # float32 rounds every decay: over a memory of n tokens that is n times its precision.
        memory = np.minimum(half_lives, tokens)
        assert (error <= (1e-6 + 6e-8 * memory) * np.abs(y).max(axis=0)).all()


def test_torch_accepts_the_operator():
    a, b = torch.rand(2, 40, 3, requires_grad=True), torch.randn(2, 40, 3, requires_grad=True)
    h = torch.rand(2, 3, requires_grad=True)
    torch.library.opcheck(torch.ops.mila.linear_recurrence, (a, b, h, True))


class CountCalls(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.calls += 1
        return function(*args, **(kwargs or {}))


def test_calls_hardly_grow_with_the_tokens():
    calls = []
    for tokens in (BLOCK**2, BLOCK**3):
        with CountCalls() as count:
            walk(*torch.rand(2, 1, tokens, 1), torch.rand(1, 1), 1)
        calls.append(count.calls)
    assert calls[1] < 2 * calls[0] < 2000


def test_keeps_two_tensors_for_the_backward_pass():
    kept = []
    a, b = (torch.rand(500, 40, requires_grad=True) for _ in range(2))
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()), lambda x: x):
        linear_recurrence(a, b, 0)
    assert sum(kept) == 2 * a.numel() + 40  # and h_0
