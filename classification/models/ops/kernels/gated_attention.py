"""MILA's gated linear attention on CUDA: two passes over the tokens, forward and backward.

With raw queries and keys r, features f(r) = ELU(r) + 1, and rot turning pairs of channels:

    KV = mean_j rot(f(k_j)) v_j^T,  m = mean_j f(k_j),  z_i = 1 / (f(q_i) m + ε)
    y_i = (z_i rot(f(q_i)) KV + local_i) * SiLU(gate_i)

The first pass sums KV and m, each program over a part of the tokens; the second one gives y. What
lies between stays in registers, in float32: half precision is stored but never computed in, so that
no feature underflows. The backward pass computes these values again instead of keeping them.

A head's channels are handled as their even and their odd half, since rot mixes only such pairs.
Widths are padded to a power of two; padded features are 0.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .. import linear_attention
from .operators import operator

EPS = tl.constexpr(linear_attention.EPS)
# The best of those tried on an H200, forward and backward together.
TOKENS = 16  # of a tile
WARPS = 1
PROGRAMS = 8192  # of a pass that sums over the tokens: dozens for each multiprocessor


@triton.jit
def _load_halves(x, tokens, stride, width, n, TOKENS: tl.constexpr, WIDTH: tl.constexpr):
    """The even and the odd channels of a tile, each (TOKENS, WIDTH / 2)."""
    tile = _load(x, tokens, stride, width, n, WIDTH)
    return tl.split(tl.reshape(tile, (TOKENS, WIDTH // 2, 2)))


@triton.jit
def _load(x, tokens, stride, width, n, WIDTH: tl.constexpr):
    """A tile (TOKENS, WIDTH) in float32; 0 beyond."""
    at = tokens[:, None] * stride + tl.arange(0, WIDTH)[None, :]
    valid = (tokens < n)[:, None] & (tl.arange(0, WIDTH) < width)[None, :]
    return tl.load(x + at, valid, 0.0).to(tl.float32)


@triton.jit
def _store(x, value, tokens, stride, width, n, WIDTH: tl.constexpr):
    at = tokens[:, None] * stride + tl.arange(0, WIDTH)[None, :]
    valid = (tokens < n)[:, None] & (tl.arange(0, WIDTH) < width)[None, :]
    tl.store(x + at, value.to(x.dtype.element_ty), valid)


@triton.jit
def _whole(even, odd, TOKENS: tl.constexpr, WIDTH: tl.constexpr):
    return tl.reshape(tl.join(even, odd), (TOKENS, WIDTH))


@triton.jit
def _features(raw, tokens, width, n, HALF: tl.constexpr):
    """f(raw) for one half of the channels; 0 beyond the tokens and the width."""
    valid = (tokens < n)[:, None] & (tl.arange(0, HALF) * 2 < width)[None, :]
    return tl.where(valid, tl.where(raw > 0, raw + 1, tl.exp(tl.minimum(raw, 0.0))), 0.0)


@triton.jit
def _slope(raw, features):
    return tl.where(raw > 0, 1.0, features)


@triton.jit
def _angles(cos, sin, tokens, head, columns, channels, width, n, HALF: tl.constexpr):
    """Cosine and sine (TOKENS, HALF) of the tokens' rotations.

    Half of all pairs turn with the row, read from the table's first column, and half with the
    column, read from its first row: so little of the table is read that it stays in the cache.
    """
    pairs = head * (width // 2) + tl.arange(0, HALF)
    row, column = tokens // columns, tokens % columns
    by_row = (pairs < channels // 4)[None, :]
    at = tl.where(by_row, (row * columns)[:, None], column[:, None]) * (channels // 2)
    at += pairs[None, :]
    valid = (tokens < n)[:, None] & (tl.arange(0, HALF) * 2 < width)[None, :]
    return tl.load(cos + at, valid, 0.0), tl.load(sin + at, valid, 0.0)


@triton.jit
def _rotate(even, odd, cos, sin):
    return even * cos - odd * sin, odd * cos + even * sin


@triton.jit
def _state(state, row, scale, HALF: tl.constexpr, WIDTH: tl.constexpr):
    """The even and odd halves of a head's KV, (HALF, WIDTH) each, and of its m, (HALF,) each."""
    at = tl.arange(0, HALF)[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    kv = state + row * 2 * HALF * (WIDTH + 1)
    m = kv + 2 * HALF * WIDTH + tl.arange(0, HALF)
    kv_even, kv_odd = tl.load(kv + at) * scale, tl.load(kv + HALF * WIDTH + at) * scale
    return kv_even, kv_odd, tl.load(m) * scale, tl.load(m + HALF) * scale


@triton.jit
def _store_state(
    state, row, kv_even, kv_odd, m_even, m_odd, HALF: tl.constexpr, WIDTH: tl.constexpr
):
    at = tl.arange(0, HALF)[:, None] * WIDTH + tl.arange(0, WIDTH)[None, :]
    kv = state + row * 2 * HALF * (WIDTH + 1)
    m = kv + 2 * HALF * WIDTH + tl.arange(0, HALF)
    tl.store(kv + at, kv_even)
    tl.store(kv + HALF * WIDTH + at, kv_odd)
    tl.store(m, m_even)
    tl.store(m + HALF, m_odd)


@triton.jit
def _sum_keys(
    qk,
    v,
    cos,
    sin,
    state,
    n,
    columns,
    heads,
    width,
    tiles,
    TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Sums of rot(f(k)) v^T and of f(k) over `tiles` tiles of tokens, by image, head and part."""
    HALF: tl.constexpr = WIDTH // 2
    part, head, image = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channels = heads * width
    k = qk + image * n * 2 * channels + channels + head * width
    v += image * n * channels + head * width
    kv_even = tl.zeros((HALF, WIDTH), tl.float32)
    kv_odd = tl.zeros((HALF, WIDTH), tl.float32)
    m_even = tl.zeros((HALF,), tl.float32)
    m_odd = tl.zeros((HALF,), tl.float32)
    for tile in range(part * tiles, min((part + 1) * tiles, tl.cdiv(n, TOKENS))):
        tokens = tile * TOKENS + tl.arange(0, TOKENS)
        even, odd = _load_halves(k, tokens, 2 * channels, width, n, TOKENS, WIDTH)
        even = _features(even, tokens, width, n, HALF)
        odd = _features(odd, tokens, width, n, HALF)
        m_even += tl.sum(even, 0)
        m_odd += tl.sum(odd, 0)
        c, s = _angles(cos, sin, tokens, head, columns, channels, width, n, HALF)
        even, odd = _rotate(even, odd, c, s)
        value = _load(v, tokens, channels, width, n, WIDTH)
        kv_even = tl.dot(tl.trans(even), value, kv_even, input_precision=PRECISION)
        kv_odd = tl.dot(tl.trans(odd), value, kv_odd, input_precision=PRECISION)
    row = (image * heads + head) * tl.num_programs(0) + part
    _store_state(state, row, kv_even, kv_odd, m_even, m_odd, HALF, WIDTH)


@triton.jit
def _read_out(
    qk,
    state,
    cos,
    sin,
    local,
    gate,
    y,
    n,
    columns,
    heads,
    width,
    TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """y of one tile of tokens."""
    HALF: tl.constexpr = WIDTH // 2
    tile, head, image = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channels = heads * width
    start = image * n * channels + head * width
    tokens = tile * TOKENS + tl.arange(0, TOKENS)
    q = qk + image * n * 2 * channels + head * width
    even, odd = _load_halves(q, tokens, 2 * channels, width, n, TOKENS, WIDTH)
    even = _features(even, tokens, width, n, HALF)
    odd = _features(odd, tokens, width, n, HALF)
    kv_even, kv_odd, m_even, m_odd = _state(state, image * heads + head, 1.0 / n, HALF, WIDTH)
    z = 1 / (tl.sum(even * m_even[None, :] + odd * m_odd[None, :], 1) + EPS)
    c, s = _angles(cos, sin, tokens, head, columns, channels, width, n, HALF)
    even, odd = _rotate(even * z[:, None], odd * z[:, None], c, s)
    out = tl.dot(even, kv_even, input_precision=PRECISION)
    out = tl.dot(odd, kv_odd, out, input_precision=PRECISION)
    out += _load(local + start, tokens, channels, width, n, WIDTH)
    g = _load(gate + start, tokens, channels, width, n, WIDTH)
    _store(y + start, out * g * tl.sigmoid(g), tokens, channels, width, n, WIDTH)


@triton.jit
def _backward_queries(
    grad,
    qk,
    state,
    cos,
    sin,
    local,
    gate,
    grad_qk,
    grad_local,
    grad_gate,
    grad_state,
    n,
    columns,
    heads,
    width,
    tiles,
    TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Gradients of queries, local and gate; sums of those of KV and m over `tiles` tiles."""
    HALF: tl.constexpr = WIDTH // 2
    part, head, image = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channels = heads * width
    start = image * n * channels + head * width
    start_q = image * n * 2 * channels + head * width
    kv_even, kv_odd, m_even, m_odd = _state(state, image * heads + head, 1.0 / n, HALF, WIDTH)
    sum_kv_even = tl.zeros((HALF, WIDTH), tl.float32)
    sum_kv_odd = tl.zeros((HALF, WIDTH), tl.float32)
    sum_m_even = tl.zeros((HALF,), tl.float32)
    sum_m_odd = tl.zeros((HALF,), tl.float32)
    for tile in range(part * tiles, min((part + 1) * tiles, tl.cdiv(n, TOKENS))):
        tokens = tile * TOKENS + tl.arange(0, TOKENS)
        raw_even, raw_odd = _load_halves(
            qk + start_q, tokens, 2 * channels, width, n, TOKENS, WIDTH
        )
        even = _features(raw_even, tokens, width, n, HALF)
        odd = _features(raw_odd, tokens, width, n, HALF)
        z = 1 / (tl.sum(even * m_even[None, :] + odd * m_odd[None, :], 1) + EPS)
        z = z[:, None]
        c, s = _angles(cos, sin, tokens, head, columns, channels, width, n, HALF)
        rot_even, rot_odd = _rotate(even * z, odd * z, c, s)
        attended = tl.dot(rot_even, kv_even, input_precision=PRECISION)
        attended = tl.dot(rot_odd, kv_odd, attended, input_precision=PRECISION)
        # Through the gate: y = (attended + local) SiLU(gate).
        out = attended + _load(local + start, tokens, channels, width, n, WIDTH)
        g = _load(gate + start, tokens, channels, width, n, WIDTH)
        dy = _load(grad + start, tokens, channels, width, n, WIDTH)
        sigmoid = tl.sigmoid(g)
        slope = sigmoid * (1 + g * (1 - sigmoid))
        _store(grad_gate + start, dy * out * slope, tokens, channels, width, n, WIDTH)
        dy *= g * sigmoid
        _store(grad_local + start, dy, tokens, channels, width, n, WIDTH)
        # Through attended = rot(f(q)) KV / (f(q) m + ε): the product, then the normaliser.
        sum_kv_even = tl.dot(tl.trans(rot_even), dy, sum_kv_even, input_precision=PRECISION)
        sum_kv_odd = tl.dot(tl.trans(rot_odd), dy, sum_kv_odd, input_precision=PRECISION)
        d_even = tl.dot(dy, tl.trans(kv_even), input_precision=PRECISION) * z
        d_odd = tl.dot(dy, tl.trans(kv_odd), input_precision=PRECISION) * z
        d_even, d_odd = _rotate(d_even, d_odd, c, -s)
        d_norm = -z * tl.sum(dy * attended, 1)[:, None]
        sum_m_even += tl.sum(d_norm * even, 0)
        sum_m_odd += tl.sum(d_norm * odd, 0)
        d_even = (d_even + d_norm * m_even[None, :]) * _slope(raw_even, even)
        d_odd = (d_odd + d_norm * m_odd[None, :]) * _slope(raw_odd, odd)
        d_raw = _whole(d_even, d_odd, TOKENS, WIDTH)
        _store(grad_qk + start_q, d_raw, tokens, 2 * channels, width, n, WIDTH)
    row = (image * heads + head) * tl.num_programs(0) + part
    _store_state(grad_state, row, sum_kv_even, sum_kv_odd, sum_m_even, sum_m_odd, HALF, WIDTH)


@triton.jit
def _backward_keys(
    qk,
    v,
    cos,
    sin,
    grad_state,
    grad_qk,
    grad_v,
    n,
    columns,
    heads,
    width,
    TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Gradients of keys and values, from those of KV and m, for one tile of tokens."""
    HALF: tl.constexpr = WIDTH // 2
    tile, head, image = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channels = heads * width
    start = image * n * channels + head * width
    start_k = image * n * 2 * channels + channels + head * width
    tokens = tile * TOKENS + tl.arange(0, TOKENS)
    raw_even, raw_odd = _load_halves(qk + start_k, tokens, 2 * channels, width, n, TOKENS, WIDTH)
    even = _features(raw_even, tokens, width, n, HALF)
    odd = _features(raw_odd, tokens, width, n, HALF)
    c, s = _angles(cos, sin, tokens, head, columns, channels, width, n, HALF)
    d_kv_even, d_kv_odd, d_m_even, d_m_odd = _state(
        grad_state, image * heads + head, 1.0 / n, HALF, WIDTH
    )
    value = _load(v + start, tokens, channels, width, n, WIDTH)
    d_even = tl.dot(value, tl.trans(d_kv_even), input_precision=PRECISION)
    d_odd = tl.dot(value, tl.trans(d_kv_odd), input_precision=PRECISION)
    d_even, d_odd = _rotate(d_even, d_odd, c, -s)
    d_even = (d_even + d_m_even[None, :]) * _slope(raw_even, even)
    d_odd = (d_odd + d_m_odd[None, :]) * _slope(raw_odd, odd)
    d_raw = _whole(d_even, d_odd, TOKENS, WIDTH)
    _store(grad_qk + start_k, d_raw, tokens, 2 * channels, width, n, WIDTH)
    even, odd = _rotate(even, odd, c, s)
    d_value = tl.dot(even, d_kv_even, input_precision=PRECISION)
    d_value = tl.dot(odd, d_kv_odd, d_value, input_precision=PRECISION)
    _store(grad_v + start, d_value, tokens, channels, width, n, WIDTH)


def _padded(width: int) -> int:
    return max(32, triton.next_power_of_2(width))


class _Launch:
    """Sizes of the launches for values (B, H, W, C)."""

    def __init__(self, v: Tensor, num_heads: int) -> None:
        batch, height, self.columns, channels = v.shape
        self.n = height * self.columns
        self.heads, self.width = num_heads, channels // num_heads
        self.rows = batch * num_heads
        padded = _padded(self.width)
        tiles = triton.cdiv(self.n, TOKENS)
        wanted = min(tiles, max(1, PROGRAMS // self.rows))
        self.tiles = triton.cdiv(tiles, wanted)  # of a part
        self.parts = triton.cdiv(tiles, self.tiles)
        self.over_parts = (self.parts, num_heads, batch)
        self.over_tiles = (tiles, num_heads, batch)
        # Products of half precision's numbers in TF32, which has at least their mantissa and the
        # range of float32; those of float32 as three products in TF32, nearly as exact.
        self.meta = dict(
            TOKENS=TOKENS,
            WIDTH=padded,
            num_warps=WARPS,
            num_stages=2 if padded == 32 else 1,
            PRECISION='tf32x3' if v.dtype == torch.float32 else 'tf32',
        )

    def parts_of_state(self, like: Tensor) -> Tensor:
        """Room for every part's sums."""
        size = _state_size(self.width)
        return like.new_empty(self.rows, self.parts, size, dtype=torch.float32)


def _state_size(width: int) -> int:
    """Of a head's KV and m: their even, then their odd halves."""
    return _padded(width) * (_padded(width) + 1)


def _gated_attention(
    qk: Tensor, v: Tensor, local: Tensor, gate: Tensor, cos: Tensor, sin: Tensor, num_heads: int
) -> tuple[Tensor, Tensor]:
    """The equations above.

    Args:
        qk: raw queries, then raw keys, (B, H, W, 2 C).
        v, local, gate: (B, H, W, C), of one dtype: float32, float16 or bfloat16.
        cos, sin: the rotary table (H, W, C / 2), in float32.
        num_heads: divides C into heads of an even width.

    Returns:
        y (B, H, W, C), and each head's KV and m, times the number of tokens, for the backward pass.
    """
    launch = _Launch(v, num_heads)
    qk, v, local, gate = (x.contiguous() for x in (qk, v, local, gate))
    parts = launch.parts_of_state(v)
    sizes = (launch.n, launch.columns, launch.heads, launch.width)
    _sum_keys[launch.over_parts](qk, v, cos, sin, parts, *sizes, launch.tiles, **launch.meta)
    state = parts.sum(1)
    y = torch.empty_like(v)
    _read_out[launch.over_tiles](qk, state, cos, sin, local, gate, y, *sizes, **launch.meta)
    return y, state


def _fake(
    qk: Tensor, v: Tensor, local: Tensor, gate: Tensor, cos: Tensor, sin: Tensor, num_heads: int
) -> tuple[Tensor, Tensor]:
    size = _state_size(v.shape[-1] // num_heads)
    state = v.new_empty(v.shape[0] * num_heads, size, dtype=torch.float32)
    return v.new_empty(v.shape), state


def _gated_attention_backward(
    grad: Tensor,
    qk: Tensor,
    v: Tensor,
    local: Tensor,
    gate: Tensor,
    cos: Tensor,
    sin: Tensor,
    state: Tensor,
    num_heads: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of qk, v, local and gate."""
    launch = _Launch(v, num_heads)
    grad, qk, v, local, gate = (x.contiguous() for x in (grad, qk, v, local, gate))
    grad_qk = torch.empty_like(qk)
    grad_v, grad_local, grad_gate = (torch.empty_like(v) for _ in range(3))
    parts = launch.parts_of_state(v)
    sizes = (launch.n, launch.columns, launch.heads, launch.width)
    _backward_queries[launch.over_parts](
        grad,
        qk,
        state,
        cos,
        sin,
        local,
        gate,
        grad_qk,
        grad_local,
        grad_gate,
        parts,
        *sizes,
        launch.tiles,
        **launch.meta,
    )
    _backward_keys[launch.over_tiles](
        qk, v, cos, sin, parts.sum(1), grad_qk, grad_v, *sizes, **launch.meta
    )
    return grad_qk, grad_v, grad_local, grad_gate


def _fake_backward(
    grad: Tensor,
    qk: Tensor,
    v: Tensor,
    local: Tensor,
    gate: Tensor,
    cos: Tensor,
    sin: Tensor,
    state: Tensor,
    num_heads: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return qk.new_empty(qk.shape), *(v.new_empty(v.shape) for _ in range(3))  # type: ignore[return-value]


def _keep(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.num_heads = inputs
    _, state = output
    ctx.save_for_backward(*tensors, state)
    ctx.mark_non_differentiable(state)


def _gradients(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    grads = gated_attention_backward(grad, *ctx.saved_tensors, ctx.num_heads)
    return *grads, None, None, None


gated_attention_backward = operator(
    'gated_attention_backward', _gated_attention_backward, _fake_backward
)
gated_attention = operator('gated_attention', _gated_attention, _fake, _keep, _gradients)
