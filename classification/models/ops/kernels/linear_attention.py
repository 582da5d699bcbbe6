"""Linear attention on CUDA: two passes over the tokens, forward and backward, in Triton.

With raw queries and keys r, features f(r) = ELU(r) + 1, and rot turning pairs of channels:

    KV = mean_j rot(f(k_j)) v_j^T,  m = mean_j f(k_j),  z_i = 1 / (f(q_i) m + ε)
    y_i = (z_i rot(f(q_i)) KV + local_i) * SiLU(gate_i)

The first pass sums KV and m, each program over a part of the tokens; the second one gives y. What
lies between stays in registers, in float32: half precision is stored, never computed in, so the
features cannot underflow. The backward pass computes y's parts again instead of keeping them.

The channels of a head are handled as their even and their odd half, since rot mixes only pairs.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

EPS = tl.constexpr(1e-6)
TOKENS = 64  # per tile
PROGRAMS = 2048  # wanted of a pass that sums over tokens: several for each multiprocessor


@triton.jit
def _features(raw):
    return tl.where(raw > 0, raw + 1, tl.exp(tl.minimum(raw, 0)))


@triton.jit
def _slope(raw, features):
    return tl.where(raw > 0, 1.0, features)


@triton.jit
def _halves(x, ROWS: tl.constexpr, HALF: tl.constexpr):
    return tl.split(tl.reshape(x, (ROWS, HALF, 2)))


@triton.jit
def _whole(even, odd, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    return tl.reshape(tl.join(even, odd), (ROWS, WIDTH))


@triton.jit
def _angles(cos, sin, tokens, pairs, columns, half, valid):
    # Half of the pairs turn with the row, read from the table's first column, and half with the
    # column, read from its first row: so little of the table is read that it stays in the cache.
    row, column = tokens // columns, tokens % columns
    place = tl.where((pairs < half // 2)[None, :], (row * columns)[:, None], column[:, None])
    at = place * half + pairs[None, :]
    return tl.load(cos + at, valid, other=1.0), tl.load(sin + at, valid, other=0.0)


@triton.jit
def _states(
    qk,
    v,
    cos,
    sin,
    kv_out,
    m_out,
    n,
    columns,
    channels,
    width,
    part,
    BACKWARD_PLACEHOLDER: tl.constexpr,
    TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    pass
