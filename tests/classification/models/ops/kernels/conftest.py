"""Kernels run on a GPU where there is one, else in Triton's interpreter: see tests/conftest.py."""

from importlib.util import find_spec

import pytest
import torch

if find_spec('triton') is None:  # PyTorch for a CPU alone comes without it
    collect_ignore_glob = ['test_*.py']


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    if not torch.cuda.is_available():
        monkeypatch.setenv('TRITON_INTERPRET', '1')


@pytest.fixture
def device():
    return 'cuda' if torch.cuda.is_available() else 'cpu'


@pytest.fixture
def close():
    """A function: results of a kernel equal those of a reference, outputs and gradients.

    `kernel` and `reference` take the tensors; the reference gets them in double precision.
    """

    def check(kernel, reference, inputs, tolerance):
        torch.manual_seed(1)
        inputs = [x.detach().requires_grad_() for x in inputs]
        exact = [x.detach().double().requires_grad_() for x in inputs]
        out, expected = kernel(*inputs), reference(*exact)
        assert out.dtype == inputs[0].dtype and out.shape == expected.shape
        grad = torch.randn_like(out)
        pairs = [(out, expected)]
        pairs += zip(
            torch.autograd.grad(out, inputs, grad),
            torch.autograd.grad(expected, exact, grad.double()),
            strict=True,
        )
        for ours, right in pairs:
            error = (ours.double() - right).norm()
            # A gradient that is 0 in exact arithmetic is compared with the others' size.
            assert error <= tolerance * max(right.norm(), 1), error / right.norm()

    return check
