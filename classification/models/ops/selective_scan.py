"""Mamba's selective scan: a state-space model with N states per channel.

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023).

    h_i = exp(Δ_i A) h_{i-1} + Δ_i B_i x_i,  y_i = C_i . h_i + D x_i,  with Δ = softplus(delta)

Here x, Δ, D are numbers of a channel; A, B, C and h have N each, B and C the same for all channels
of a group. As maps the decays and the states would be N times as large as x. They live for a chunk
of tokens, on a CPU one that stays in the cache; the backward pass computes them again from one
state per chunk.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .devices import exporting, has_kernels
from .image_scan import LOG2_E, softplus_
from .scan import linear_recurrence, naive_linear_recurrence, walk

try:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn as scan_kernel
except ImportError:
    scan_kernel = None

# Numbers of the states of a chunk; on a CPU also of one token, of as many sequences as that takes:
# a step of all costs one call.
CHUNK = {'cpu': 2**18, 'cuda': 2**24}
TOKEN = 2**14
LEAST = 32  # tokens of a chunk, so that the states kept for the backward pass stay few


def selective_scan(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    """The equations above in time and memory linear in the tokens.

    Computed in float32 or wider: half precision would lose a long memory. On CUDA the compiled
    kernel of mamba-ssm computes it where that is installed, else one written in Triton.

    Args:
        x, delta: (B, groups, n, channels).
        A: (groups, channels, N), negative.
        B, C: (B, groups, n, N).
        D: (groups, channels).
        bias: (groups, channels), added to delta.

    Returns:
        y, as x, in the type of the computation.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    x, delta, A, B, C, D = (t.to(wide) for t in (x, delta, A, B, C, D))
    if bias is not None:
        delta = delta + bias[:, None].to(wide)
    with torch.autocast(x.device.type, enabled=False):
        if exporting():
            return _scan(linear_recurrence, x, delta, A, B, C, D)
        if scan_kernel is not None and x.is_cuda and wide == torch.float32:
            return _kernel_scan(x, delta, A, B, C, D)
        rows = A.transpose(1, 2).expand(len(x), -1, -1, -1)
        scan: Callable[..., tuple[Tensor, Tensor]] = _scan_rows
        if has_kernels(x):
            from .kernels.selective_scan import selective_scan as kernel

            scan = kernel
        y, _ = scan(*(t.flatten(0, 1) for t in (x, delta, rows, B, C)))
        return torch.addcmul(y.view_as(x), x, D[:, None])


def naive_selective_scan(
    x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor
) -> Tensor:
    """The reference of `selective_scan`, same arguments: a loop over the tokens."""
    return _scan(naive_linear_recurrence, x, delta, A, B, C, D)


def _scan(
    recurrence: Callable[..., Tensor],
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
) -> Tensor:
    delta = F.softplus(delta)
    decay = torch.exp(delta[..., None] * A[:, None])  # (B, groups, n, channels, N)
    h = recurrence(decay, (delta * x)[..., None] * B[..., None, :], dim=2)
    return (h * C[..., None, :]).sum(-1) + D[:, None] * x


def _kernel_scan(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """The same by mamba-ssm, which has tokens last."""

    def tokens_last(t: Tensor) -> Tensor:
        return t.transpose(2, 3).contiguous()

    y = scan_kernel(
        tokens_last(x).flatten(1, 2),
        tokens_last(delta).flatten(1, 2),
        A.flatten(0, 1).contiguous(),
        tokens_last(B),
        tokens_last(C),
        D.flatten(),
        delta_softplus=True,
    )
    return y.unflatten(1, A.shape[:2]).transpose(2, 3)


# An operator of its own: torch.compile and fake tensors take it whole, and FLOPs can be counted.
@torch.library.custom_op('mila::selective_scan', mutates_args=())
def _scan_rows(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    """C . h for every sequence, and the states before each chunk.

    Args:
        x, delta: (m, n, channels).
        A: (m, N, channels).
        B, C: (m, n, N).

    Returns:
        (as x, (chunks, m, N, channels)).
    """
    y, states = torch.empty_like(x, memory_format=torch.contiguous_format), _new_states(x, A)
    row_parts, chunks = _parts(x, A)
    for rows in row_parts:
        h = torch.zeros_like(A[rows])
        memory = _memory(A[rows], chunks[0], 2)
        for k, chunk in enumerate(chunks):
            before = states[k, rows].copy_(h)
            part = rows, chunk
            decay, state = (t[:, : chunk.stop - chunk.start] for t in memory)
            step = _softplus(delta[part])
            _decays(step, A[rows], out=decay)
            torch.mul((step * x[part])[:, :, None], B[part][..., None], out=state)
            _walk(decay, state, before)
            h = state[:, -1]
            y[part] = _over_states(C[part], state)
    return y, states


@_scan_rows.register_fake
def _(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x, memory_format=torch.contiguous_format), _new_states(x, A)


@torch.library.custom_op('mila::selective_scan_backward', mutates_args=())
def _scan_rows_backward(
    grad: Tensor, states: Tensor, x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of x, delta, A, B and C from that of y.

    With g_i = dL/dh_i = C_i dL/dy_i + exp(Δ_{i+1} A) g_{i+1}, a recurrence too, and the part of it
    that goes through what was kept, k_i = g_i exp(Δ_i A) h_{i-1}:

        dL/dC_i = h_i dL/dy_i,  dL/dB_i = g_i Δ_i x_i (sums over channels),
        dL/d(Δ_i x_i) = B_i . g_i,  dL/dΔ_i = x_i B_i . g_i + A . k_i,  dL/dA = sum_i Δ_i k_i
    """
    inputs = (x, delta, A, B, C)
    grad_x, grad_delta, grad_A, grad_B, grad_C = (
        torch.empty_like(t, memory_format=torch.contiguous_format) for t in inputs
    )
    grad_A.zero_()
    row_parts, chunks = _parts(x, A)
    for rows in row_parts:
        carry = torch.zeros_like(A[rows])  # exp(Δ A) g of the token that follows
        memory = _memory(A[rows], chunks[0], 4)
        for k, chunk in reversed(list(enumerate(chunks))):
            part = rows, chunk
            decay, state, g, spare = (t[:, : chunk.stop - chunk.start] for t in memory)
            step, before, upstream = _softplus(delta[part]), states[k, rows], grad[part]
            written = step * x[part]
            _decays(step, A[rows], out=decay)
            torch.mul(written[:, :, None], B[part][..., None], out=state)
            _walk(decay, state, before)
            torch.mul(upstream[:, :, None], C[part][..., None], out=g)
            g[:, -1] += carry
            _walk_back(decay, g)
            torch.mul(decay[:, 0], g[:, 0], out=carry)

            grad_C[part] = torch.mul(state, upstream[:, :, None], out=spare).sum(3)
            grad_B[part] = torch.mul(g, written[:, :, None], out=spare).sum(3)
            grad_written = _over_states(B[part], g)
            torch.mul(grad_written, step, out=grad_x[part])
            kept = decay.mul_(g)
            kept[:, 0] *= before
            kept[:, 1:] *= state[:, :-1]
            grad_step = torch.mul(kept, A[rows, None], out=spare).sum(2)
            grad_step.addcmul_(grad_written, x[part])
            torch.mul(grad_step, delta[part].sigmoid(), out=grad_delta[part])
            grad_A[rows] += kept.mul_(step[:, :, None]).sum(1)
    return grad_x, grad_delta, grad_A, grad_B, grad_C


@_scan_rows_backward.register_fake
def _(grad: Tensor, states: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.empty_like(t, memory_format=torch.contiguous_format) for t in inputs)


def _keep(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1], *inputs)


def _backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor, ...]:
    with torch.autocast(grad.device.type, enabled=False):
        return _scan_rows_backward(grad, *ctx.saved_tensors)


_scan_rows.register_autograd(_backward, setup_context=_keep)


@register_flop_formula(torch.ops.mila.selective_scan)
def _flops(
    x_shape: Sequence[int],
    delta_shape: Sequence[int],
    A_shape: Sequence[int],
    *args: Any,
    **kw: Any,
) -> int:
    """9 multiply-adds per token, channel and state, as state-space models are counted (scan.py)."""
    return 2 * 9 * x_shape[1] * math.prod(A_shape)


def _parts(x: Tensor, A: Tensor) -> tuple[list[slice], list[slice]]:
    """Which of the sequences, and which of their tokens, are walked at one time."""
    (m, n, _), per_row = x.shape, math.prod(A.shape[1:])
    count = m if x.is_cuda else min(m, max(1, TOKEN // per_row))
    length = max(LEAST, CHUNK['cuda' if x.is_cuda else 'cpu'] // (count * per_row))
    rows = [slice(i, min(i + count, m)) for i in range(0, m, count)]
    return rows, [slice(i, min(i + length, n)) for i in range(0, n, length)]


def _new_states(x: Tensor, A: Tensor) -> Tensor:
    return x.new_empty(len(_parts(x, A)[1]), *A.shape)


def _memory(A: Tensor, chunk: slice, number: int) -> tuple[Tensor, ...]:
    """Memory for the states of a chunk (rows, tokens, N, channels), the same for all chunks."""
    return A.new_empty(number, len(A), chunk.stop, *A.shape[1:]).unbind(0)


def _softplus(x: Tensor) -> Tensor:
    if x.is_cuda:
        return F.softplus(x)
    return softplus_(x.clone(), torch.empty_like(x), torch.empty_like(x))


def _decays(step: Tensor, A: Tensor, out: Tensor) -> Tensor:
    """exp(Δ A) of (rows, n, channels) and (rows, N, channels); PyTorch computes exp2 faster."""
    return torch.mul(step[:, :, None], (A * LOG2_E)[:, None], out=out).exp2_()


def _walk(decay: Tensor, state: Tensor, before: Tensor) -> None:
    """state_i += decay_i state_{i-1} in place, from the state before the first token.

    Args:
        decay, state: (rows, n, N, channels).
        before: (rows, N, channels).
    """
    flat = state.flatten(2)
    walk(decay.flatten(2), flat, before.flatten(1), out=flat)


def _walk_back(decay: Tensor, g: Tensor) -> None:
    """g_i += decay_{i+1} g_{i+1} in place, from the last token but one to the first."""
    flat = g.flatten(2)
    rest = flat[:, :-1]
    walk(decay.flatten(2)[:, 1:], rest, flat[:, -1], step=-1, out=rest)


def _over_states(weights: Tensor, h: Tensor) -> Tensor:
    """The sums over N of (rows, n, N) times (rows, n, N, channels)."""
    if h.shape[2] == 1:
        return weights * h[:, :, 0]
    return torch.matmul(weights[:, :, None], h).squeeze(2)
