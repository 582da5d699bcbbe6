"""Layer norm over the last dimension, in Triton: y = (x - mean) / sqrt(var + eps) * weight + bias.

PyTorch's own takes one block of threads per token, which for the few channels of an early stage
leaves most of the memory's bandwidth unused. Mean and variance are computed again in the backward
pass, which reads x in any case.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .operators import operator

TILE = 4096  # elements
WARPS = 4
PROGRAMS = 1024  # of the backward pass, each of which sums gradients of weight and bias


@triton.jit
def _standardise(x, known, count, eps):
    """Rows of x with mean 0 and variance 1, and the factor that did it; 0 beyond `count`."""
    centred = tl.where(known, x - (tl.sum(x, 1) / count)[:, None], 0.0)
    scale = tl.rsqrt(tl.sum(centred * centred, 1) / count + eps)[:, None]
    return centred * scale, scale


@triton.jit
def _forward(x, weight, bias, y, rows, count, eps, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, WIDTH)
    at = row[:, None] * count + column[None, :]
    known = (row < rows)[:, None] & (column < count)[None, :]
    w = tl.load(weight + column, column < count, 0.0).to(tl.float32)
    b = tl.load(bias + column, column < count, 0.0).to(tl.float32)
    normal, _ = _standardise(tl.load(x + at, known, 0.0).to(tl.float32), known, count, eps)
    tl.store(y + at, (normal * w[None, :] + b[None, :]).to(y.dtype.element_ty), known)


@triton.jit
def _backward(
    grad,
    x,
    weight,
    grad_x,
    sums,
    rows,
    count,
    eps,
    tiles,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Gradient of x, and sums of those of weight and bias over `tiles` tiles: (part, 2, count)."""
    part = tl.program_id(0)
    column = tl.arange(0, WIDTH)
    w = tl.load(weight + column, column < count, 0.0).to(tl.float32)[None, :]
    grad_weight = tl.zeros((WIDTH,), tl.float32)
    grad_bias = tl.zeros((WIDTH,), tl.float32)
    for tile in range(part * tiles, min((part + 1) * tiles, tl.cdiv(rows, ROWS))):
        row = (tile * ROWS + tl.arange(0, ROWS)).to(tl.int64)
        at = row[:, None] * count + column[None, :]
        known = (row < rows)[:, None] & (column < count)[None, :]
        d = tl.load(grad + at, known, 0.0).to(tl.float32)
        value = tl.load(x + at, known, 0.0).to(tl.float32)
        normal, scale = _standardise(value, known, count, eps)
        grad_weight += tl.sum(d * normal, 0)
        grad_bias += tl.sum(d, 0)
        d *= w
        along = (tl.sum(d * normal, 1) / count)[:, None]
        mean = (tl.sum(d, 1) / count)[:, None]
        d = (d - mean - normal * along) * scale
        tl.store(grad_x + at, d.to(grad_x.dtype.element_ty), known)
    at = sums + part.to(tl.int64) * 2 * count + column
    tl.store(at, grad_weight, column < count)
    tl.store(at + count, grad_bias, column < count)


def _tile(count: int) -> dict[str, int]:
    width = triton.next_power_of_2(count)
    return dict(ROWS=max(1, TILE // width), WIDTH=width, num_warps=WARPS)


def _layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    x = x.contiguous()
    count = x.shape[-1]
    rows, tile = x.numel() // count, _tile(count)
    y = torch.empty_like(x)
    _forward[triton.cdiv(rows, tile['ROWS']),](x, weight, bias, y, rows, count, eps, **tile)
    return y


def _layer_norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    grad, x = grad.contiguous(), x.contiguous()
    count = x.shape[-1]
    rows, tile = x.numel() // count, _tile(count)
    tiles = triton.cdiv(rows, tile['ROWS'])
    each = triton.cdiv(tiles, PROGRAMS)
    parts = triton.cdiv(tiles, each)
    sums = x.new_empty(parts, 2, count, dtype=torch.float32)
    grad_x = torch.empty_like(x)
    _backward[parts,](grad, x, weight, grad_x, sums, rows, count, eps, each, **tile)
    total = sums.sum(0).to(weight.dtype)
    return grad_x, total[0].clone(), total[1].clone()


def _fake(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    return x.new_empty(x.shape)


def _fake_backward(
    grad: Tensor, x: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    return x.new_empty(x.shape), torch.empty_like(weight), torch.empty_like(weight)


def _keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, weight, _, ctx.eps = inputs
    ctx.save_for_backward(x, weight)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return *layer_norm_backward(grad, *ctx.saved_tensors, ctx.eps), None


layer_norm_backward = operator('layer_norm_backward', _layer_norm_backward, _fake_backward)
# x (..., C), weight and bias (C,), eps -> as x, in its dtype.
layer_norm = operator('layer_norm', _layer_norm, _fake, _keep, _gradients)
