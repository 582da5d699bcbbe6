"""Mamba's selective scan with N states per channel, in Triton.

    h_i = exp(Δ_i A) h_{i-1} + Δ_i B_i x_i,  y_i = C_i . h_i,  with Δ = softplus(delta)

A program walks one sequence for some channels with their states in registers, in float32: h of all
tokens is never stored. The state before each chunk of tokens is kept; the backward pass, last chunk
first, computes the states of one chunk again, into memory that stays in the cache.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .. import image_scan
from .operators import operator

CHUNK = 64  # tokens between two states that are kept
CHANNELS = 32  # of a program, at most
WARPS = 1
LOG2_E = tl.constexpr(image_scan.LOG2_E)


@triton.jit
def _softplus(x):
    """log(1 + exp(x)), exact for very negative x too."""
    power = tl.exp(-tl.abs(x))
    rounded = 1 + power
    # log(1 + p) = log(u) + (p - (u - 1)) / u for u = 1 + p rounded.
    return tl.maximum(x, 0.0) + tl.log(rounded) + (power - (rounded - 1)) / rounded


@triton.jit
def _step(x, delta, A, B, token, channel, state, n_channels, n_states):
    """x, raw delta, Δ, exp(Δ A) and B of a token."""
    known = channel < n_channels
    value = tl.load(x + token * n_channels + channel, known, 0.0)
    raw = tl.load(delta + token * n_channels + channel, known, 0.0)
    b = tl.load(B + token * n_states + state, state < n_states, 0.0)[None, :]
    step = _softplus(raw)
    return value, raw, step, tl.exp2(step[:, None] * A), b


@triton.jit
def _places(row, n, n_channels, n_states, CHANNELS: tl.constexpr, STATES: tl.constexpr):
    """The program's channels and states; offsets of the sequence in x, in B, and in A."""
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    state = tl.arange(0, STATES)
    inside = state[None, :] * n_channels + channel[:, None]
    known = (channel < n_channels)[:, None] & (state < n_states)[None, :]
    sequence = row * n
    return channel, state, inside, known, sequence * n_channels, sequence * n_states


@triton.jit
def _forward(
    x, delta, A, B, C, y, states, n, n_channels, n_states,
    CHUNK: tl.constexpr, CHANNELS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    row, rows = tl.program_id(1).to(tl.int64), tl.num_programs(1)
    channel, state, inside, known, of_x, of_B = _places(
        row, n, n_channels, n_states, CHANNELS, STATES
    )
    size = n_states * n_channels
    a = tl.load(A + row * size + inside, known, 0.0) * LOG2_E
    h = tl.zeros((CHANNELS, STATES), tl.float32)
    for token in range(n):
        if token % CHUNK == 0:
            tl.store(states + (token // CHUNK * rows + row) * size + inside, h, known)
        value, _, step, decay, b = _step(
            x + of_x, delta + of_x, a, B + of_B, token, channel, state, n_channels, n_states
        )
        h = decay * h + (step * value)[:, None] * b
        c = tl.load(C + of_B + token * n_states + state, state < n_states, 0.0)[None, :]
        at = y + of_x + token * n_channels + channel
        tl.store(at, tl.sum(h * c, 1), channel < n_channels)


@triton.jit
def _backward(
    grad, states, x, delta, A, B, C, grad_x, grad_delta, grad_A, grad_B, grad_C, spare,
    n, n_channels, n_states,
    CHUNK: tl.constexpr, CHANNELS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """The equations of selective_scan.py; grad_B and grad_C are those of each block of channels."""
    block, blocks = tl.program_id(0), tl.num_programs(0)
    row, rows = tl.program_id(1).to(tl.int64), tl.num_programs(1)
    channel, state, inside, known, of_x, of_B = _places(
        row, n, n_channels, n_states, CHANNELS, STATES
    )
    size = n_states * n_channels
    a = tl.load(A + row * size + inside, known, 0.0)
    spare += (row * blocks + block) * CHUNK * CHANNELS * STATES
    in_spare = tl.arange(0, CHANNELS)[:, None] * STATES + state[None, :]
    grad_B += block * rows * n * n_states
    grad_C += block * rows * n * n_states
    carry = tl.zeros((CHANNELS, STATES), tl.float32)  # exp(Δ A) g of the token that follows
    total = tl.zeros((CHANNELS, STATES), tl.float32)
    chunks = tl.cdiv(n, CHUNK)
    for back in range(chunks):
        first = (chunks - 1 - back) * CHUNK
        count = min(CHUNK, n - first)
        before = states + ((chunks - 1 - back) * rows + row) * size + inside
        h = tl.load(before, known, 0.0)
        for i in range(count):
            tl.store(spare + i * CHANNELS * STATES + in_spare, h)
            value, _, step, decay, b = _step(
                x + of_x, delta + of_x, a * LOG2_E, B + of_B, first + i, channel, state,
                n_channels, n_states,
            )  # fmt: skip
            h = decay * h + (step * value)[:, None] * b
        tl.debug_barrier()  # what one thread has stored another one may load
        for i in range(count):
            token = first + count - 1 - i
            value, raw, step, decay, b = _step(
                x + of_x, delta + of_x, a * LOG2_E, B + of_B, token, channel, state,
                n_channels, n_states,
            )  # fmt: skip
            at = token * n_channels + channel
            upstream = tl.load(grad + of_x + at, channel < n_channels, 0.0)[:, None]
            c = tl.load(C + of_B + token * n_states + state, state < n_states, 0.0)[None, :]
            previous = tl.load(spare + (token - first) * CHANNELS * STATES + in_spare)
            written = (step * value)[:, None]
            g = c * upstream + carry
            carry = decay * g
            kept = carry * previous
            total += kept * step[:, None]
            grad_written = tl.sum(g * b, 1)
            grad_step = value * grad_written + tl.sum(kept * a, 1)
            tl.store(grad_x + of_x + at, grad_written * step, channel < n_channels)
            tl.store(grad_delta + of_x + at, grad_step * tl.sigmoid(raw), channel < n_channels)
            at = of_B + token * n_states + state
            tl.store(grad_B + at, tl.sum(g * written, 0), state < n_states)
            h = decay * previous + written * b
            tl.store(grad_C + at, tl.sum(h * upstream, 0), state < n_states)
        tl.debug_barrier()
    tl.store(grad_A + row * size + inside, total, known)


def _grid(x: Tensor, A: Tensor) -> tuple[tuple[int, int], dict[str, int]]:
    """Blocks of channels for each sequence, and the sizes of a program."""
    channels = min(CHANNELS, triton.next_power_of_2(x.shape[2]))
    sizes = dict(CHUNK=CHUNK, CHANNELS=channels, STATES=triton.next_power_of_2(A.shape[1]))
    return (triton.cdiv(x.shape[2], channels), len(x)), dict(sizes, num_warps=WARPS)


def _scan(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """C . h for every sequence, and the states before each chunk; all tensors are float32.

    Args:
        x, delta: (m, n, channels).
        A: (m, N, channels).
        B, C: (m, n, N).

    Returns:
        (as x, (chunks, m, N, channels)).
    """
    x, delta, A, B, C = (t.contiguous() for t in (x, delta, A, B, C))
    y, states = _fake(x, delta, A, B, C)
    grid, sizes = _grid(x, A)
    _forward[grid](x, delta, A, B, C, y, states, *x.shape[1:], A.shape[1], **sizes)
    return y, states


def _fake(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    chunks = (x.shape[1] + CHUNK - 1) // CHUNK
    return x.new_empty(x.shape), A.new_empty(chunks, *A.shape)


def _scan_backward(
    grad: Tensor, states: Tensor, x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, delta, A, B and C."""
    grad, x, delta, A, B, C = (t.contiguous() for t in (grad, x, delta, A, B, C))
    grad_x, grad_delta, grad_A = (torch.empty_like(t) for t in (x, delta, A))
    grid, sizes = _grid(x, A)
    # Sums of each block of channels, added up afterwards: atomic sums would not repeat.
    grad_B, grad_C = B.new_empty(2, grid[0], *B.shape)
    spare = x.new_empty(*grid, CHUNK, sizes['CHANNELS'] * sizes['STATES'])
    _backward[grid](
        grad, states, x, delta, A, B, C, grad_x, grad_delta, grad_A, grad_B, grad_C, spare,
        *x.shape[1:], A.shape[1], **sizes,
    )  # fmt: skip
    return grad_x, grad_delta, grad_A, grad_B.sum(0), grad_C.sum(0)


def _fake_backward(grad: Tensor, states: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(t.new_empty(t.shape) for t in inputs)


def _keep(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1], *inputs)


def _gradients(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor, ...]:
    return selective_scan_backward(grad, *ctx.saved_tensors)


selective_scan_backward = operator('triton_scan_backward', _scan_backward, _fake_backward)
selective_scan = operator('triton_scan', _scan, _fake, _keep, _gradients)
