"""The gated attention in Triton against the plain one in double precision."""

import pytest
import torch

from classification.models.ops.kernels.gated_attention import gated_attention
from classification.models.ops.linear_attention import gated_attention as plain
from classification.models.ops.rotary import rotary_table

TOLERANCES = {torch.float32: 1e-6, torch.bfloat16: 5e-3, torch.float16: 2e-3}
SHAPES = [
    (2, 5, 7, 64, 2),  # a head as MILA has it
    (1, 13, 11, 24, 2),  # 12 channels, of which 6 pairs turn with the row
    (1, 1, 1, 8, 1),  # one token
    (2, 3, 43, 12, 3),  # 4 channels, tokens beyond two tiles
    (1, 3, 5, 64, 1),  # a wide head
]


def inputs(b, h, w, c, dtype, device):
    torch.manual_seed(0)
    return [torch.randn(b, h, w, n).to(device, dtype) for n in (2 * c, c, c, c)]


@pytest.mark.parametrize('dtype', TOLERANCES, ids=str)
@pytest.mark.parametrize('shape', SHAPES, ids=str)
def test_equals_the_plain_operator(shape, dtype, device, close):
    *shape, heads = shape
    table = rotary_table(*shape[1:], device)
    wide = rotary_table(*shape[1:], device, torch.float64)
    close(
        lambda *x: gated_attention(*x, *table, heads)[0],
        lambda *x: plain(*x, wide, heads),
        inputs(*shape, dtype, device),
        TOLERANCES[dtype],
    )


@pytest.mark.parametrize('bias', [-100.0, -12.0, 1000.0])
def test_extreme_features_stay_finite(bias, device):
    qk, v, local, gate = inputs(1, 4, 6, 8, torch.float16, device)
    qk = (qk + bias).requires_grad_()
    out, _ = gated_attention(qk, v, local, gate, *rotary_table(4, 6, 8, device), 2)
    out.sum().backward()
    assert out.isfinite().all() and qk.grad.isfinite().all()


def test_no_part_of_the_result_depends_on_how_the_sums_are_split(monkeypatch, device):
    from classification.models.ops.kernels import gated_attention as module

    x, table = inputs(1, 9, 31, 8, torch.float32, device), rotary_table(9, 31, 8, device)
    one, _ = gated_attention(*x, *table, 2)
    monkeypatch.setattr(module, 'PROGRAMS', 1)
    other, _ = gated_attention(*x, *table, 2)
    torch.testing.assert_close(one, other)


def test_as_an_operator_of_pytorch(device):
    x, table = inputs(1, 3, 5, 8, torch.float32, device), rotary_table(3, 5, 8, device)
    tests = ('test_schema', 'test_autograd_registration', 'test_faketensor')
    x = [t.requires_grad_() for t in x]
    torch.library.opcheck(gated_attention, (*x, *table, 2), test_utils=tests)
