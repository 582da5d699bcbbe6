"""Linear attention: the fast path against its reference, extreme values, half precision."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from classification.models.ops import linear_attention as module
from classification.models.ops import rotary
from classification.models.ops.linear_attention import (
    LinearAttention,
    attention_map,
    linear_attention,
    naive_linear_attention,
)
from classification.models.ops.rotary import rotary_table

SIZES = [(1, 1), (1, 7), (5, 3), (7, 9)]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.fixture
def tables(monkeypatch):
    """An empty cache, so that no other test's tables count."""
    monkeypatch.setattr(rotary, '_TABLES', OrderedDict())
    return rotary._TABLES


def features(height, width, dim=16, dtype=torch.float64):
    """q, k, v (2, H, W, dim), q and k positive as ELU + 1 makes them."""
    generator = torch.Generator().manual_seed(height * 100 + width)
    q, k, v = torch.randn(3, 2, height, width, dim, dtype=dtype, generator=generator)
    q, k = nn.functional.elu(q) + 1, nn.functional.elu(k) + 1
    return [x.requires_grad_() for x in (q, k, v)]


def output_and_gradients(attention, inputs, num_heads):
    height, width, dim = inputs[0].shape[1:]
    table = rotary_table(height, width, dim, 'cpu', inputs[0].dtype)
    out = attention(*inputs, table, num_heads)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(out.shape, dtype=out.dtype, generator=generator)
    return out, *torch.autograd.grad((out * weight).sum(), inputs)


@pytest.mark.parametrize('dtype', TOLERANCE, ids=str)
@pytest.mark.parametrize('num_heads', [1, 2, 4])
@pytest.mark.parametrize('size', SIZES, ids=str)
def test_equals_its_naive_form(size, num_heads, dtype):
    inputs = features(*size, dtype=dtype)
    fast = output_and_gradients(linear_attention, inputs, num_heads)
    naive = output_and_gradients(naive_linear_attention, inputs, num_heads)
    for a, b in zip(fast, naive, strict=True):  # the output, then the gradients at q, k and v
        torch.testing.assert_close(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_gradients_equal_finite_differences():
    table = rotary_table(2, 3, 8, 'cpu', torch.float64)
    inputs = features(2, 3, dim=8)
    assert torch.autograd.gradcheck(lambda *x: linear_attention(*x, table, 2), inputs)


@pytest.mark.parametrize('size', SIZES, ids=str)
def test_attention_map_holds_the_weights_of_the_values(size):
    q, k, v = features(*size)
    n = size[0] * size[1]
    table = rotary_table(*size, 16, 'cpu', torch.float64)
    weights = attention_map(q, k, table, num_heads=4)
    assert weights.shape == (2, 4, n, n)
    rows = weights @ v.reshape(2, n, 4, 4).transpose(1, 2)
    expected = linear_attention(q, k, v, table, num_heads=4)
    torch.testing.assert_close(rows.transpose(1, 2).reshape(v.shape), expected)


def test_attention_rows_sum_to_one_without_rotation():
    q, k, _ = features(5, 3)
    still = torch.ones(5, 3, 8, dtype=q.dtype), torch.zeros(5, 3, 8, dtype=q.dtype)
    rows = attention_map(q, k, still, num_heads=2).sum(-1)
    torch.testing.assert_close(rows, torch.ones_like(rows), rtol=1e-5, atol=0)


def test_tables_made_in_inference_mode_serve_training(tables):
    layer, x = LinearAttention(8, 2), torch.randn(1, 3, 5, 8)
    with torch.inference_mode():
        layer(x, x, rotary_table(3, 5, 8, 'cpu'))
    layer(x, x, rotary_table(3, 5, 8, 'cpu')).sum().backward()
    assert len(tables) == 1
    assert all(p.grad is not None for p in layer.parameters())


def test_fake_tensors_neither_enter_the_cache_nor_meet_it(tables):
    real = rotary_table(3, 5, 8, 'cpu')
    with FakeTensorMode():
        for width in (5, 6):
            x = torch.randn(1, 3, width, 8)
            out = LinearAttention(8, 2)(x, x, rotary_table(3, width, 8, 'cpu'))
            assert out.shape == (1, 3, width, 8)
    assert list(tables.values()) == [real]


@pytest.mark.parametrize('dim, num_heads', [(12, 5), (6, 2), (8, 3)])
def test_widths_that_do_not_fit_are_refused(dim, num_heads):
    with pytest.raises(ValueError, match=rf'{dim} channels must divide by num_heads={num_heads}'):
        LinearAttention(dim, num_heads)


@pytest.mark.parametrize('bias', [-100.0, -12.0, 0.0, 1000.0])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_extreme_features_stay_finite(dtype, bias):
    """In fp16 arithmetic ELU + 1 is 0 at -100, the norm 1e-6 is 0 too, and 0 * inf is NaN."""
    torch.manual_seed(0)
    layer = LinearAttention(8, 2).to(dtype)
    nn.init.constant_(layer.qk.bias, bias)
    x = torch.randn(2, 4, 6, 8, dtype=dtype, requires_grad=True)
    out = layer(x, x, rotary_table(4, 6, 8, 'cpu'))
    out.sum().backward()
    assert out.dtype == dtype
    assert out.isfinite().all() and x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_attention_is_float32_under_autocast(monkeypatch):
    def attention(q, k, v, table, num_heads):
        assert not torch.is_autocast_enabled('cpu')
        assert q.dtype == k.dtype == v.dtype == torch.float32
        return linear_attention(q, k, v, table, num_heads)

    monkeypatch.setattr(module, 'linear_attention', attention)
    layer, x = LinearAttention(8, 2), torch.randn(2, 4, 6, 8, dtype=torch.bfloat16)
    with torch.autocast('cpu', torch.bfloat16):
        assert layer(x, x, rotary_table(4, 6, 8, 'cpu')).dtype == torch.bfloat16


def test_half_precision_is_close_to_full():
    torch.manual_seed(0)
    layer, x = LinearAttention(16, 4), torch.randn(2, 7, 9, 16)
    table = rotary_table(7, 9, 16, 'cpu')
    full = layer(x, x, table)
    for dtype, tolerance in [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)]:
        half = layer.to(dtype)(x.to(dtype), x.to(dtype), table).float()
        assert (half - full).norm() < tolerance * full.norm()
        layer.float()
