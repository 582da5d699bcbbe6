"""Mamba2D's scan against its loop over rows and columns."""

import pytest
import torch

from classification.models.ops import wavefront as module
from classification.models.ops.wavefront import naive_wavefront_scan, wavefront_scan


def arguments(height, width, batch=2, channels=3, states=4, dtype=torch.float64):
    torch.manual_seed(0)
    u, D_T, D_L = torch.randn(3, batch, height, width, channels, dtype=dtype)
    A_T, A_L = -2 * torch.rand(2, channels, states, dtype=dtype)
    B_T, B_L, C = torch.randn(3, batch, height, width, states, dtype=dtype)
    return u, D_T.abs(), D_L.abs(), A_T, A_L, B_T, B_L, C


def with_gradients(function, inputs):
    inputs = [x.detach().requires_grad_() for x in inputs]
    y = function(*inputs)
    upstream = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    # A map of one row or column does not see what comes from the other side.
    gradients = torch.autograd.grad(y, inputs, upstream, materialize_grads=True)
    return [y, *gradients]


@pytest.mark.parametrize('segment', [16, 3])  # diagonals between states that are kept
@pytest.mark.parametrize('size', [(1, 1), (1, 5), (6, 1), (3, 4), (8, 5)], ids=str)
def test_outputs_and_all_gradients_are_the_naive_ones(monkeypatch, size, segment):
    monkeypatch.setattr(module, 'SEGMENT', segment)
    inputs = arguments(*size)
    torch.testing.assert_close(
        with_gradients(wavefront_scan, inputs), with_gradients(naive_wavefront_scan, inputs)
    )


def test_gradients_are_derivatives():
    inputs = [x.requires_grad_() for x in arguments(3, 2, 1, 2, 2)]
    assert torch.autograd.gradcheck(wavefront_scan, inputs)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    inputs = arguments(7, 9, dtype=dtype)
    with torch.autocast('cpu', dtype):
        y = with_gradients(wavefront_scan, inputs)
    expected = with_gradients(wavefront_scan, [x.float() for x in inputs])
    assert y[0].dtype == torch.float32
    for ours, exact in zip(y, expected, strict=True):
        torch.testing.assert_close(ours, exact.to(ours.dtype), rtol=1e-6, atol=0)


def test_few_states_are_kept():
    kept = []
    inputs = [x.requires_grad_() for x in arguments(20, 30, channels=8, states=16)]
    with torch.autograd.graph.saved_tensors_hooks(
        lambda x: kept.append(x.numel()) or x, lambda x: x
    ):
        wavefront_scan(*inputs)
    assert max(kept) <= 4 * 2 * 21 * 8 * 16  # of 49 diagonals four, not all tokens


def test_compiles():
    inputs = arguments(5, 6)
    torch._dynamo.reset()
    compiled = torch.compile(wavefront_scan, fullgraph=True, backend='aot_eager')
    torch.testing.assert_close(compiled(*inputs), wavefront_scan(*inputs))
