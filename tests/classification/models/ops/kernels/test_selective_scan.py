"""The selective scan in Triton against its loop over the tokens in double precision."""

import pytest
import torch

from classification.models.ops.kernels import selective_scan as module
from classification.models.ops.kernels.selective_scan import selective_scan
from classification.models.ops.selective_scan import naive_selective_scan


def arguments(sequences, tokens, channels, states, device):
    torch.manual_seed(0)
    x, delta = torch.randn(2, sequences, tokens, channels, device=device)
    A = -3 * torch.rand(sequences, states, channels, device=device)
    B, C = torch.randn(2, sequences, tokens, states, device=device)
    return x, delta, A, B, C


def reference(x, delta, A, B, C):
    """The loop, which has D and its sequences as groups of one image."""
    D = torch.zeros_like(A[:, 0])
    rows = (t[None] for t in (x, delta))
    return naive_selective_scan(*rows, A.transpose(1, 2), B[None], C[None], D)[0]


# Chunks of 4 tokens and programs of 4 channels, so that ends of both are met.
@pytest.mark.parametrize(
    'shape', [(1, 1, 1, 1), (2, 4, 4, 2), (2, 9, 6, 3), (1, 11, 3, 16), (3, 5, 9, 1)], ids=str
)
def test_equals_the_loop(shape, device, close, monkeypatch):
    monkeypatch.setattr(module, 'CHUNK', 4)
    monkeypatch.setattr(module, 'CHANNELS', 4)
    close(lambda *x: selective_scan(*x)[0], reference, arguments(*shape, device), 1e-6)


@pytest.mark.parametrize('delta', [-30.0, -10.0, 0.0, 20.0])
def test_small_and_large_steps_are_exact(delta, device, close):
    """Δ of 1e-13 is neither 0 nor rounded to float32 of 1 + Δ."""
    x, raw, A, B, C = arguments(1, 3, 2, 2, device)
    inputs = [x, torch.full_like(raw, delta), A, B, C]
    out = selective_scan(*inputs)[0].double()
    right = reference(*(t.double() for t in inputs))
    torch.testing.assert_close(out, right, rtol=1e-5, atol=0)


def test_as_an_operator_of_pytorch(device):
    inputs = [t.requires_grad_() for t in arguments(2, 3, 2, 2, device)]
    tests = ('test_schema', 'test_autograd_registration', 'test_faketensor')
    torch.library.opcheck(selective_scan, tuple(inputs), test_utils=tests)
