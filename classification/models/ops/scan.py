"""The linear recurrence h_i = a_i h_{i-1} + b_i over long sequences.

The recurrence is the memory of every gated or state-space model: a forgets, b adds. It is computed
by blocks (Blelloch, "Prefix sums and their applications", 1990): all blocks are walked at the same
time, and their ends are a shorter recurrence of the same kind. Nothing but sums and products of
the given numbers occurs, never a division by a product of decays: stable for decays from 1 to 0 at
any length. In exported graphs `graph_scan` takes its place.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .devices import exporting
from .graph_scan import recurrence_in_graph

# Tokens per block. Longer blocks need more sequential steps, shorter ones more levels of blocks:
# every level takes two walks of this many steps.
BLOCK = 32
WIDE = 2**12  # numbers in a token of all sequences from which blocks gain nothing on a CPU


def linear_recurrence(a: Tensor, b: Tensor, dim: int = -1, initial: Tensor | None = None) -> Tensor:
    """h_i = a_i h_{i-1} + b_i, element by element along `dim`, in linear time and memory.

    Computed in the dtype given; half precision loses a long memory to rounding. Fastest where a
    token's elements lie side by side, as in (B, n, C) with dim=1; tokens in the last dimension
    cost a transposed copy.

    Args:
        a, b: tensors of one shape, or that broadcast to one.
        dim: the dimension of the tokens i = 1 ... n.
        initial: h_0, in that shape without `dim`; 0 where not given.

    Returns:
        h_1 ... h_n, in that shape.
    """
    a, b = torch.broadcast_tensors(a, b)
    dim = dim % b.ndim
    shape = b.shape
    length, inner = shape[dim], math.prod(shape[dim + 1 :])
    if initial is None:
        initial = b.new_zeros(b.select(dim, 0).shape)
    if exporting():
        a, b = (x.reshape(-1, length, inner) for x in (a, b))
        return recurrence_in_graph(a, b, initial.reshape(-1, inner)).reshape(shape)
    if inner == 1:
        a, b = (x.reshape(-1, length).t().contiguous()[None] for x in (a, b))
        return _recurrence(a, b, initial.reshape(1, -1), False)[0].t().reshape(shape)
    a, b = (x.reshape(-1, length, inner) for x in (a, b))
    return _recurrence(a, b, initial.reshape(-1, inner), False).reshape(shape)


def naive_linear_recurrence(
    a: Tensor, b: Tensor, dim: int = -1, initial: Tensor | None = None
) -> Tensor:
    """The reference of `linear_recurrence`, same arguments: a loop over the tokens."""
    a, b = torch.broadcast_tensors(a, b)
    h = torch.zeros_like(b.select(dim, 0)) if initial is None else initial
    out = []
    for a_i, b_i in zip(a.unbind(dim), b.unbind(dim), strict=True):
        h = a_i * h + b_i
        out.append(h)
    return torch.stack(out, dim)


# An operator of its own: torch.compile and fake tensors take it whole, and FLOPs can be counted.
@torch.library.custom_op('mila::linear_recurrence', mutates_args=())
def _recurrence(a: Tensor, b: Tensor, initial: Tensor, reverse: bool) -> Tensor:
    """h_i = a_i h_{i-1} + b_i, or in reverse a_i h_{i+1} + b_i: (m, n, inner) from (m, inner)."""
    return walk(a, b, initial, -1 if reverse else 1)


@_recurrence.register_fake
def _(a: Tensor, b: Tensor, initial: Tensor, reverse: bool) -> Tensor:
    return torch.empty_like(b, memory_format=torch.contiguous_format)


def _keep(ctx: Any, inputs: tuple, output: Tensor) -> None:
    a, _, initial, ctx.reverse = inputs
    ctx.save_for_backward(a, initial, output)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
    """A recurrence too: g_i = dL/dh_i + a_{i+1} g_{i+1}, dL/db_i = g_i, dL/da_i = g_i h_{i-1}."""
    a, initial, h = ctx.saved_tensors
    step, first = (-1, -1) if ctx.reverse else (1, 0)
    # roll() also carries the first a to the other end, where it meets the 0 that g starts from.
    g = _recurrence(a.roll(-step, 1), grad, torch.zeros_like(initial), not ctx.reverse)
    before = h.roll(step, 1)
    before[:, first] = initial
    return g * before, g, a[:, first] * g[:, first], None


_recurrence.register_autograd(_backward, setup_context=_keep)


@register_flop_formula(torch.ops.mila.linear_recurrence)
def _flops(a_shape: Sequence[int], b_shape: Sequence[int], *args: Any, **kwargs: Any) -> int:
    """8 multiply-adds per element, each counted twice as PyTorch's counter does.

    State-space models are counted with 9 per token, channel and state, from a gate's exponent to
    the read of the state (Gu in state-spaces/mamba issue 110, then VMamba and others). The read is
    not part of this operator; as a matrix product Q_i S_i it is counted where it stands.
    """
    return 2 * 8 * math.prod(b_shape)


def walk(a: Tensor, b: Tensor, h: Tensor, step: int = 1, out: Tensor | None = None) -> Tensor:
    """h_i = a_i h_{i-step} + b_i, element by element, without gradients.

    Args:
        a, b: (m, n, inner), i = 1 ... n.
        h: (m, inner), the state before the first token, with step -1 after the last.
        step: 1 or -1.
        out: memory for the result, which may be b.

    Returns:
        h_1 ... h_n, as b.
    """
    if out is None:
        out = torch.empty_like(b, memory_format=torch.contiguous_format)
    length = b.shape[1]
    in_blocks = length > BLOCK and not (b.device.type == 'cpu' and h.numel() >= WIDE)
    blocks = length // BLOCK if in_blocks else 0
    order = range(length)[::step]
    body, rest = order[: blocks * BLOCK], order[blocks * BLOCK :]
    if blocks:
        inside = slice(min(body), max(body) + 1)
        parts = (x[:, inside].unflatten(1, (blocks, BLOCK)) for x in (a, b, out))
        _walk_blocks(*parts, h=h, step=step)
        h = out[:, body[-1]]
    decays, inputs = a.unbind(1), b.unbind(1)
    states = inputs if out is b else out.unbind(1)
    for i in rest:
        h = torch.addcmul(inputs[i], decays[i], h, out=states[i])
    return out


def _walk_blocks(a: Tensor, b: Tensor, out: Tensor, *, h: Tensor, step: int) -> None:
    """The same for (m, blocks, BLOCK, inner): walk to every block's end, join, walk again."""
    order = range(BLOCK)[::step]
    decay, end = torch.ones_like(b[:, :, 0]), torch.zeros_like(b[:, :, 0])
    for i in order:
        decay *= a[:, :, i]
        end = torch.addcmul(b[:, :, i], a[:, :, i], end)
    ends = walk(decay, end, h, step)
    h = torch.cat((h[:, None], ends[:, :-1]) if step == 1 else (ends[:, 1:], h[:, None]), dim=1)
    for i in order:
        h = torch.addcmul(b[:, :, i], a[:, :, i], h, out=out[:, :, i])


def init_delta(shape: int | Sequence[int]) -> Tensor:
    """Mamba's initial step sizes Δ, log-uniform in [.001, .1]: the gates exp(-Δ) start near 1."""
    return torch.exp(torch.empty(shape).uniform_(math.log(0.001), math.log(0.1)))


def inverse_softplus(x: Tensor) -> Tensor:
    """The number whose softplus is x, for positive x."""
    return x + torch.log(-torch.expm1(-x))
