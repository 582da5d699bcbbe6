"""Mamba2D's selective scan, whose state comes from above and from the left at the same time.

Source: Baty et al., "Mamba2D: A Natively Multi-Dimensional State-Space Model for Vision Tasks"
(2024). With T for the top neighbour and L for the left one, N states per channel, and u a number:

    h(i, j) = T(i, j) + L(i, j),  halved where there are both a row above and a column to the left,
    T(i, j) = exp(D_T A_T) h(i - 1, j) + D_T B_T u,  L(i, j) = exp(D_L A_L) h(i, j - 1) + D_L B_L u,
    y(i, j) = C . h(i, j)

Without a row above there is no T; without a column to the left no L, but at the first token. Every
token of an anti-diagonal needs the last one alone, so that H + W - 1 steps make the map. The states
live for a step; the backward pass computes them again from those of every SEGMENT-th diagonal.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .image_scan import LOG2_E

SEGMENT = 16  # diagonals


def wavefront_scan(
    u: Tensor,
    D_T: Tensor,
    D_L: Tensor,
    A_T: Tensor,
    A_L: Tensor,
    B_T: Tensor,
    B_L: Tensor,
    C: Tensor,
) -> Tensor:
    """The equations above, in time and memory linear in the tokens.

    Computed in float32 or wider.

    Args:
        u, D_T, D_L: (B, H, W, channels), both D positive.
        A_T, A_L: (channels, N), negative.
        B_T, B_L, C: (B, H, W, N).

    Returns:
        y, as u, in the type of the computation.
    """
    wide = torch.promote_types(u.dtype, torch.float32)
    u, D_T, D_L, A_T, A_L, B_T, B_L, C = (t.to(wide) for t in (u, D_T, D_L, A_T, A_L, B_T, B_L, C))
    _, height, width, _ = u.shape
    # What of the sum is taken from above, and from the left.
    above = torch.full((height, width, 1), 0.5, dtype=wide, device=u.device)
    left = above.clone()
    above[:, 0], left[0] = 1, 1
    above[0], left[1:, 0] = 0, 0
    with torch.autocast(u.device.type, enabled=False):
        y, _ = _wavefront(
            *(D_T, D_L),
            *(above * D_T * u, left * D_L * u),
            *(above.flatten(), left.flatten()),
            *(A_T.t().contiguous(), A_L.t().contiguous()),
            *(B_T, B_L, C),
        )
    return y


def naive_wavefront_scan(
    u: Tensor,
    D_T: Tensor,
    D_L: Tensor,
    A_T: Tensor,
    A_L: Tensor,
    B_T: Tensor,
    B_L: Tensor,
    C: Tensor,
) -> Tensor:
    """The reference of `wavefront_scan`, same arguments: a loop over rows and columns."""
    _, height, width, _ = u.shape
    h: dict[tuple[int, int], Tensor] = {}
    rows = []
    for i in range(height):
        row = []
        for j in range(width):
            terms: list[Tensor] = []
            for before, D, A, B in (((i - 1, j), D_T, A_T, B_T), ((i, j - 1), D_L, A_L, B_L)):
                if before in h or (i == j == 0 and D is D_L):
                    step = D[:, i, j, :, None]
                    written = step * B[:, i, j, None] * u[:, i, j, :, None]
                    terms.append(torch.exp(step * A) * h.get(before, 0) + written)
            h[i, j] = torch.stack(terms).mean(0)
            row.append((h[i, j] * C[:, i, j, None]).sum(-1))
        rows.append(torch.stack(row, dim=1))
    return torch.stack(rows, dim=1)


class _Diagonal(NamedTuple):
    """Where an anti-diagonal's tokens lie: their rows, and their numbers in the flattened map."""

    rows: slice
    tokens: slice


def _diagonals(height: int, width: int) -> list[_Diagonal]:
    step = max(width - 1, 1)
    out = []
    for d in range(height + width - 1):
        first, last = max(0, d - width + 1), min(d, height - 1)
        start = first * width + d - first
        tokens = slice(start, start + (last - first) * step + 1, step)
        out.append(_Diagonal(slice(first, last + 1), tokens))
    return out


class _Side(NamedTuple):
    """What comes from above or from the left; gradients of it too."""

    D: Tensor  # (B, tokens, channels)
    written: Tensor  # D u and its share, as D
    share: Tensor  # (tokens)
    A: Tensor  # (N, channels)
    B: Tensor  # (B, tokens, N)

    def gates(self, tokens: slice) -> Tensor:
        """Share times exp(D A), (B, diagonal, N, channels)."""
        a = torch.mul(self.D[:, tokens, None], self.A * LOG2_E).exp2_()
        return a.mul_(self.share[tokens, None, None])


def _neighbours(h: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """The states above and to the left, from those of the last diagonal (B, 1 + H, N, channels).

    The i-th row is in the place i + 1; there is no row above the first.
    """
    return h[:, rows], h[:, rows.start + 1 : rows.stop + 1]


def _step(sides: tuple[_Side, _Side], h: Tensor, diagonal: _Diagonal) -> Tensor:
    """The states (B, diagonal, N, channels) from those of the last diagonal."""
    rows, tokens = diagonal
    state: Tensor | None = None
    for side, before in zip(sides, _neighbours(h, rows), strict=True):
        gates = side.gates(tokens)
        state = gates.mul_(before) if state is None else state.addcmul_(gates, before)
        state.addcmul_(side.written[:, tokens, None], side.B[:, tokens, :, None])
    assert state is not None
    return state


def _sides(*tensors: Tensor) -> tuple[_Side, _Side]:
    """From the operator's arguments but C, with the maps flattened."""
    maps = [t.flatten(1, 2) if t.ndim == 4 else t for t in tensors]
    return _Side(*maps[::2]), _Side(*maps[1::2])


def _new_states(D: Tensor, A: Tensor) -> Tensor:
    batch, height, width, _ = D.shape
    segments = -(-(height + width - 1) // SEGMENT)
    return D.new_zeros(segments, batch, 1 + height, *A.shape)


# An operator of its own: torch.compile and fake tensors take it whole, and FLOPs can be counted.
@torch.library.custom_op('mila::wavefront_scan', mutates_args=())
def _wavefront(
    D_T: Tensor,
    D_L: Tensor,
    written_T: Tensor,
    written_L: Tensor,
    share_T: Tensor,
    share_L: Tensor,
    A_T: Tensor,
    A_L: Tensor,
    B_T: Tensor,
    B_L: Tensor,
    C: Tensor,
) -> tuple[Tensor, Tensor]:
    """y, and the states before every segment of diagonals (segments, B, 1 + H, N, channels)."""
    sides = _sides(D_T, D_L, written_T, written_L, share_T, share_L, A_T, A_L, B_T, B_L)
    y, states = torch.empty_like(D_T, memory_format=torch.contiguous_format), _new_states(D_T, A_T)
    flat_y, flat_C = y.flatten(1, 2), C.flatten(1, 2)
    h = torch.zeros_like(states[0])
    for d, diagonal in enumerate(_diagonals(*D_T.shape[1:3])):
        if d % SEGMENT == 0:
            states[d // SEGMENT] = h
        state = _step(sides, h, diagonal)
        h[:, diagonal.rows.start + 1 : diagonal.rows.stop + 1] = state
        flat_y[:, diagonal.tokens] = _over_states(flat_C[:, diagonal.tokens], state)
    return y, states


@_wavefront.register_fake
def _(D_T: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
    y = torch.empty_like(D_T, memory_format=torch.contiguous_format)
    return y, _new_states(D_T, others[5])


def _over_states(weights: Tensor, h: Tensor) -> Tensor:
    """The sums over N of (B, n, N) times (B, n, N, channels)."""
    return torch.matmul(weights[:, :, None], h).squeeze(2)


@torch.library.custom_op('mila::wavefront_scan_backward', mutates_args=())
def _wavefront_backward(grad: Tensor, states: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """The gradients of all arguments but the shares from that of y.

    g = dL/dh is C dL/dy and what the neighbours to the right and below took of h; with
    k = g share exp(D A) h_before on either side:

        dL/dC = h dL/dy,  dL/dB = g written (sums over channels),  dL/dwritten = B . g,
        dL/dD = A . k,  dL/dA = sum of D k
    """
    *others, C = inputs
    sides = _sides(*others)
    grads = [torch.zeros_like(t, memory_format=torch.contiguous_format) for t in inputs]
    *other_grads, grad_C = grads
    side_grads = _sides(*other_grads)
    flat_C, flat_grad, flat_grad_C = (t.flatten(1, 2) for t in (C, grad, grad_C))
    diagonals = list(enumerate(_diagonals(*C.shape[1:3])))
    carry = torch.zeros_like(states[0])  # dL/dh through the diagonal after
    for segment in reversed(range(len(states))):
        part = diagonals[segment * SEGMENT : (segment + 1) * SEGMENT]
        before = [states[segment]]
        for _, diagonal in part:
            h = before[-1].clone()
            rows = slice(diagonal.rows.start + 1, diagonal.rows.stop + 1)
            h[:, rows] = _step(sides, before[-1], diagonal)
            before.append(h)
        for (_, diagonal), last, h in reversed(list(zip(part, before, before[1:], strict=False))):
            rows, tokens = diagonal
            here = slice(rows.start + 1, rows.stop + 1)
            upstream = flat_grad[:, tokens, None]
            g = torch.addcmul(carry[:, here], upstream, flat_C[:, tokens, :, None])
            flat_grad_C[:, tokens] = (h[:, here] * upstream).sum(3)
            carry.zero_()
            ways = zip(sides, side_grads, (rows, here), _neighbours(last, rows), strict=True)
            for side, side_grad, source, neighbour in ways:
                kept = side.gates(tokens).mul_(g)
                carry[:, source] += kept
                kept.mul_(neighbour)
                side_grad.D[:, tokens] = (kept * side.A).sum(2)
                side_grad.A.add_(kept.mul_(side.D[:, tokens, None]).sum((0, 1)))
                side_grad.B[:, tokens] = (g * side.written[:, tokens, None]).sum(3)
                side_grad.written[:, tokens] = _over_states(side.B[:, tokens], g)
    return grads


@_wavefront_backward.register_fake
def _(grad: Tensor, states: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in inputs]


def _keep(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1], *inputs)


def _backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    states, *inputs = ctx.saved_tensors
    with torch.autocast(grad.device.type, enabled=False):
        grads: list[Tensor | None] = [*_wavefront_backward(grad, states, inputs)]
    grads[4] = grads[5] = None  # the shares are constants
    return tuple(grads)


_wavefront.register_autograd(_backward, setup_context=_keep)


@register_flop_formula(torch.ops.mila.wavefront_scan)
def _flops(D_shape: Sequence[int], *shapes: Any, **kwargs: Any) -> int:
    """9 multiply-adds per token, channel and state, as other scans are counted (scan.py)."""
    A_shape = shapes[5]
    return 2 * 9 * math.prod(D_shape) * A_shape[0]
