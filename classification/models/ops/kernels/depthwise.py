"""Depthwise 3x3 convolutions of features laid out as (B, H, W, C), in Triton.

    y = after(conv(before(x)) + bias) (+ x)

PyTorch's own depthwise convolutions are the slowest part of a MILA on CUDA; here what stands around
one is done in the same pass. Sums are in float32, whatever the dtype of the features.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .operators import operator

# The best of those tried on an H200, forward and backward together.
TOKENS = 32  # of a tile
CHANNELS = 64  # of a tile, at most
WARPS = 2
WEIGHT_TOKENS = 16  # of a tile in the pass that sums the weights' gradients, ten sums for each
PROGRAMS = 1024  # of the pass that sums the weights' gradients over the tokens


@triton.jit
def _tap(x, rows, columns, channels, height, width, count, valid, BEFORE: tl.constexpr):
    """x at (rows, columns), (TOKENS, CHANNELS) in float32; 0 outside of the image."""
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & valid
    at = (rows * width + columns)[:, None] * count + channels[None, :]
    value = tl.load(x + at, inside[:, None] & (channels < count)[None, :], 0.0).to(tl.float32)
    return tl.maximum(value, 0.0) if BEFORE == 'relu' else value


@triton.jit
def _convolve(
    x,
    weight,
    bias,
    tokens,
    channels,
    height,
    width,
    out_width,
    count,
    valid,
    STRIDE: tl.constexpr,
    BEFORE: tl.constexpr,
):
    """conv(x') + bias at the output's `tokens`."""
    known = channels < count
    rows, columns = tokens // out_width * STRIDE - 1, tokens % out_width * STRIDE - 1
    total = tl.load(bias + channels, known, 0.0).to(tl.float32)[None, :]
    for i in tl.static_range(9):
        w = tl.load(weight + i * count + channels, known, 0.0).to(tl.float32)[None, :]
        tap = _tap(x, rows + i // 3, columns + i % 3, channels, height, width, count, valid, BEFORE)
        total += tap * w
    return total


@triton.jit
def _forward(
    x,
    weight,
    bias,
    y,
    height,
    width,
    out_height,
    out_width,
    count,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STRIDE: tl.constexpr,
    BEFORE: tl.constexpr,
    AFTER: tl.constexpr,
    RESIDUAL: tl.constexpr,
):
    image = tl.program_id(2).to(tl.int64)
    tokens = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    channels = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    valid = tokens < out_height * out_width
    x += image * height * width * count
    total = _convolve(
        x,
        weight,
        bias,
        tokens,
        channels,
        height,
        width,
        out_width,
        count,
        valid,
        STRIDE,
        BEFORE,
    )
    if AFTER == 'silu':
        total *= tl.sigmoid(total)
    if AFTER == 'relu':
        total = tl.maximum(total, 0.0)
    at = tokens[:, None] * count + channels[None, :]
    known = valid[:, None] & (channels < count)[None, :]
    if RESIDUAL:
        total += tl.load(x + at, known, 0.0).to(tl.float32)
    y += image * out_height * out_width * count
    tl.store(y + at, total.to(y.dtype.element_ty), known)


@triton.jit
def _backward_weight(
    grad,
    x,
    weight,
    bias,
    inner,
    sums,
    height,
    width,
    out_height,
    out_width,
    count,
    tiles,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STRIDE: tl.constexpr,
    BEFORE: tl.constexpr,
    AFTER: tl.constexpr,
):
    """Sums of the gradients of weight and bias over `tiles` tiles: (image, part, 10, count).

    With an activation the gradient of its argument is written to `inner` on the way.
    """
    part, image = tl.program_id(0), tl.program_id(2).to(tl.int64)
    channels = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    n = out_height * out_width
    x += image * height * width * count
    # One sum per weight and one for the bias, over the tokens only at the end.
    s0 = tl.zeros((TOKENS, CHANNELS), tl.float32)
    s1, s2, s3, s4, s5, s6, s7, s8, s_bias = s0, s0, s0, s0, s0, s0, s0, s0, s0
    for tile in range(part * tiles, min((part + 1) * tiles, tl.cdiv(n, TOKENS))):
        tokens = tile * TOKENS + tl.arange(0, TOKENS)
        valid = tokens < n
        at = image * n * count + tokens[:, None] * count + channels[None, :]
        known = valid[:, None] & (channels < count)[None, :]
        d = tl.load(grad + at, known, 0.0).to(tl.float32)
        if AFTER != '':
            value = _convolve(
                x,
                weight,
                bias,
                tokens,
                channels,
                height,
                width,
                out_width,
                count,
                valid,
                STRIDE,
                BEFORE,
            )
            if AFTER == 'silu':
                sigmoid = tl.sigmoid(value)
                d *= sigmoid * (1 + value * (1 - sigmoid))
            else:
                d = tl.where(value > 0, d, 0.0)
            tl.store(inner + at, d.to(inner.dtype.element_ty), known)
        rows, columns = tokens // out_width * STRIDE - 1, tokens % out_width * STRIDE - 1
        s0 += d * _tap(x, rows + 0, columns + 0, channels, height, width, count, valid, BEFORE)
        s1 += d * _tap(x, rows + 0, columns + 1, channels, height, width, count, valid, BEFORE)
        s2 += d * _tap(x, rows + 0, columns + 2, channels, height, width, count, valid, BEFORE)
        s3 += d * _tap(x, rows + 1, columns + 0, channels, height, width, count, valid, BEFORE)
        s4 += d * _tap(x, rows + 1, columns + 1, channels, height, width, count, valid, BEFORE)
        s5 += d * _tap(x, rows + 1, columns + 2, channels, height, width, count, valid, BEFORE)
        s6 += d * _tap(x, rows + 2, columns + 0, channels, height, width, count, valid, BEFORE)
        s7 += d * _tap(x, rows + 2, columns + 1, channels, height, width, count, valid, BEFORE)
        s8 += d * _tap(x, rows + 2, columns + 2, channels, height, width, count, valid, BEFORE)
        s_bias += d
    known = channels < count
    at = sums + (image * tl.num_programs(0) + part) * 10 * count + channels
    tl.store(at + 0 * count, tl.sum(s0, 0), known)
    tl.store(at + 1 * count, tl.sum(s1, 0), known)
    tl.store(at + 2 * count, tl.sum(s2, 0), known)
    tl.store(at + 3 * count, tl.sum(s3, 0), known)
    tl.store(at + 4 * count, tl.sum(s4, 0), known)
    tl.store(at + 5 * count, tl.sum(s5, 0), known)
    tl.store(at + 6 * count, tl.sum(s6, 0), known)
    tl.store(at + 7 * count, tl.sum(s7, 0), known)
    tl.store(at + 8 * count, tl.sum(s8, 0), known)
    tl.store(at + 9 * count, tl.sum(s_bias, 0), known)


@triton.jit
def _backward_input(
    inner,
    grad,
    x,
    weight,
    grad_x,
    height,
    width,
    out_height,
    out_width,
    count,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STRIDE: tl.constexpr,
    BEFORE: tl.constexpr,
    RESIDUAL: tl.constexpr,
):
    image = tl.program_id(2).to(tl.int64)
    tokens = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    channels = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    valid = tokens < height * width
    known = channels < count
    inner += image * out_height * out_width * count
    rows, columns = tokens // width + 1, tokens % width + 1
    total = tl.zeros((TOKENS, CHANNELS), tl.float32)
    for i in tl.static_range(9):
        w = tl.load(weight + i * count + channels, known, 0.0).to(tl.float32)[None, :]
        row, column = rows - i // 3, columns - i % 3
        read = valid & (row % STRIDE == 0) & (column % STRIDE == 0)
        # A negative row must stay one: division rounds towards 0.
        row = tl.where(row < 0, -1, row // STRIDE)
        column = tl.where(column < 0, -1, column // STRIDE)
        total += w * _tap(inner, row, column, channels, out_height, out_width, count, read, '')
    at = image * height * width * count + tokens[:, None] * count + channels[None, :]
    known = valid[:, None] & known[None, :]
    if BEFORE == 'relu':
        total = tl.where(tl.load(x + at, known, 0.0) > 0, total, 0.0)
    if RESIDUAL:
        total += tl.load(grad + at, known, 0.0).to(tl.float32)
    tl.store(grad_x + at, total.to(grad_x.dtype.element_ty), known)


def _taps_first(weight: Tensor) -> Tensor:
    """(C, 1, 3, 3) -> (9, C): neighbouring threads then read neighbouring weights."""
    return weight.flatten(1).t().contiguous()


def _out_size(x: Tensor, stride: int) -> tuple[int, int]:
    return triton.cdiv(x.shape[1], stride), triton.cdiv(x.shape[2], stride)


def _tile(count: int) -> dict[str, int]:
    channels = min(CHANNELS, triton.next_power_of_2(count))
    return dict(TOKENS=TOKENS, CHANNELS=channels, num_warps=WARPS)


def _over_tiles(x: Tensor, tile: dict[str, int]) -> tuple[int, int, int]:
    batch, height, width, count = x.shape
    return triton.cdiv(height * width, TOKENS), triton.cdiv(count, tile['CHANNELS']), batch


def _depthwise(
    x: Tensor, weight: Tensor, bias: Tensor, stride: int, before: str, after: str, residual: bool
) -> Tensor:
    """The equation above.

    Args:
        x: (B, H, W, C) in float32, float16 or bfloat16.
        weight, bias: (C, 1, 3, 3) and (C,), in any of these dtypes.
        stride: 1 or 2.
        before: 'relu', or '' for nothing.
        after: 'relu', 'silu' or ''.
        residual: add x; for stride 1.

    Returns:
        (B, H / stride, W / stride, C), sizes rounded up, in the dtype of x.
    """
    x, weight = x.contiguous(), _taps_first(weight)
    size = _out_size(x, stride)
    y = x.new_empty(x.shape[0], *size, x.shape[3])
    tile = _tile(x.shape[3])
    _forward[_over_tiles(y, tile)](
        x,
        weight,
        bias,
        y,
        *x.shape[1:3],
        *size,
        x.shape[3],
        **tile,
        STRIDE=stride,
        BEFORE=before,
        AFTER=after,
        RESIDUAL=residual,
    )
    return y


def _fake(
    x: Tensor, weight: Tensor, bias: Tensor, stride: int, before: str, after: str, residual: bool
) -> Tensor:
    height, width = ((side + stride - 1) // stride for side in x.shape[1:3])
    return x.new_empty(x.shape[0], height, width, x.shape[3])


def _depthwise_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    stride: int,
    before: str,
    after: str,
    residual: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias."""
    grad, x, taps = grad.contiguous(), x.contiguous(), _taps_first(weight)
    batch, height, width, count = x.shape
    size = _out_size(x, stride)
    sizes = (height, width, *size, count)
    tile = _tile(count)
    # One part of the tokens for each program that the pass over the weights' gradients wants.
    tiles, groups = triton.cdiv(size[0] * size[1], WEIGHT_TOKENS), _over_tiles(grad, tile)[1]
    each = triton.cdiv(tiles, max(1, PROGRAMS // (batch * groups)))
    parts = triton.cdiv(tiles, each)
    sums = x.new_empty(batch * parts, 10, count, dtype=torch.float32)
    inner = torch.empty_like(grad) if after else grad
    _backward_weight[parts, groups, batch](
        grad,
        x,
        taps,
        bias,
        inner,
        sums,
        *sizes,
        each,
        **{**tile, 'TOKENS': WEIGHT_TOKENS},
        STRIDE=stride,
        BEFORE=before,
        AFTER=after,
    )
    grad_x = torch.empty_like(x)
    _backward_input[_over_tiles(x, tile)](
        inner,
        grad,
        x,
        taps,
        grad_x,
        *sizes,
        **tile,
        STRIDE=stride,
        BEFORE=before,
        RESIDUAL=residual,
    )
    total = sums.sum(0)
    grad_weight = total[:9].t().reshape(weight.shape).to(weight.dtype)
    return grad_x, grad_weight, total[9].to(bias.dtype, copy=True)


def _fake_backward(
    grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor, *options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return x.new_empty(x.shape), weight.new_empty(weight.shape), bias.new_empty(bias.shape)


def _keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
    x, weight, bias, *ctx.options = inputs
    ctx.save_for_backward(x, weight, bias)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return *depthwise_backward(grad, *ctx.saved_tensors, *ctx.options), None, None, None, None


depthwise_backward = operator('depthwise_backward', _depthwise_backward, _fake_backward)
depthwise = operator('depthwise', _depthwise, _fake, _keep, _gradients)
