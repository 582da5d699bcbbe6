"""The layer norm in Triton against PyTorch's in double precision."""

import pytest
import torch
import torch.nn.functional as F

from classification.models.ops.kernels.layer_norm import layer_norm


@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 1e-6), (torch.bfloat16, 5e-3)])
@pytest.mark.parametrize('shape', [(2, 5, 7, 64), (3, 100), (1, 8), (2, 9, 33, 96)], ids=str)
def test_equals_the_plain_norm(shape, dtype, tolerance, device, close):
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(s, device=device) for s in (shape, shape[-1:], shape[-1:]))
    close(
        lambda *x: layer_norm(*x, 1e-5),
        lambda *x: F.layer_norm(x[0], shape[-1:], *x[1:], 1e-5),
        [x.to(dtype), weight, bias],
        tolerance,
    )


def test_as_an_operator_of_pytorch(device):
    x = [torch.randn(s, device=device).requires_grad_() for s in ((3, 8), (8,), (8,))]
    tests = ('test_schema', 'test_autograd_registration', 'test_faketensor')
    torch.library.opcheck(layer_norm, (*x, 1e-5), test_utils=tests)
