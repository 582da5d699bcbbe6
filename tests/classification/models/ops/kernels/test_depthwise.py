"""The depthwise convolution in Triton against PyTorch's in double precision."""

import pytest
import torch
import torch.nn.functional as F

from classification.models.ops.depthwise import ACTIVATIONS
from classification.models.ops.kernels.depthwise import depthwise

OPTIONS = [  # stride, before, after, residual
    (1, '', '', False),
    (1, '', '', True),
    (1, '', 'silu', False),
    (2, 'relu', 'relu', False),
    (2, 'relu', '', False),
]


def plain(x, weight, bias, stride, before, after, residual):
    y = ACTIVATIONS[before](x).permute(0, 3, 1, 2)
    y = F.conv2d(y, weight, bias, stride, 1, groups=len(weight)).permute(0, 2, 3, 1)
    y = ACTIVATIONS[after](y)
    return x + y if residual else y


# bfloat16: a rounding is up to 4e-3, and the interpreter cuts off where a GPU rounds; with SiLU the
# gradient is rounded twice.
@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize('options', OPTIONS, ids=str)
@pytest.mark.parametrize('shape', [(2, 5, 7, 64), (1, 13, 11, 24), (1, 1, 1, 8), (1, 5, 33, 70)])
def test_equals_the_plain_convolution(shape, options, dtype, tolerance, device, close):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(shape[3], 1, 3, 3), torch.randn(shape[3])
    close(
        lambda *x: depthwise(*x, *options),
        lambda *x: plain(*x, *options),
        [x.to(device, dtype), weight.to(device), bias.to(device)],
        tolerance,
    )


def test_as_an_operator_of_pytorch(device):
    x = [torch.randn(s, device=device).requires_grad_() for s in ((1, 3, 5, 8), (8, 1, 3, 3), (8,))]
    tests = ('test_schema', 'test_autograd_registration', 'test_faketensor')
    torch.library.opcheck(depthwise, (*x, 2, 'relu', 'relu', False), test_utils=tests)
