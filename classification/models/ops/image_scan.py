"""VMamba's selective scans of an image in four orders and their sum, on a CPU, by chunks of tokens.

The equations are those of `selective_scan`, with the step sizes' projection within:

    h_i = exp(Δ_i A) h_{i-1} + Δ_i B_i x_i,  y_i = C_i h_i,  with Δ_i = softplus(W r_i + b)

Taken over the whole image, each of the dozen operations per token and order would be a pass through
memory. Here only x and the sum of the orders are maps; all else lives for a chunk of tokens that
stays in the cache, in the backward pass too, which computes it again from one state per chunk.

Within a chunk, all blocks of tokens are walked at the same time from h = 0, then their ends are
joined (see scan.py). A chunk is laid out as (steps, B, blocks, C), so that one step of all blocks
lies side by side. The orders that go backwards are walked backwards, and those along columns are
the others of the transposed image: no order needs a copy of its own.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

# The released weights are stacked in this order.
ORDERS = ('row', 'column', 'row_back', 'column_back')

CHUNK = 2**18  # numbers: in float32 1 MB, a share of the cache
STEPS = 32  # tokens per block of a full chunk: a step of all blocks costs one call, a join another
WIDE = 2**12  # numbers in a token of all images from which a walk gains nothing from blocks
LOG2_E = math.log2(math.e)


def image_scan(
    x: Tensor, params: Tensor, weight: Tensor, bias: Tensor, A: Tensor, D: Tensor
) -> Tensor:
    """The sum over ORDERS of the equations above, and D x for each.

    Args:
        x: (B, H, W, C), in float32 or float64, as all others.
        params: (B, H, W, orders, rank + 2), r, B and C of each order.
        weight: (orders, C, rank).
        bias, A, D: (orders, C), A negative.

    Returns:
        y, as x.
    """
    y, _ = _scan_image(x, params, weight, bias, A)
    return torch.addcmul(y, x, D.sum(0))


# An operator of its own: torch.compile and fake tensors take it whole, and FLOPs can be counted.
@torch.library.custom_op('mila::image_scan', mutates_args=())
def _scan_image(
    x: Tensor, params: Tensor, weight: Tensor, bias: Tensor, A: Tensor
) -> tuple[Tensor, Tensor]:
    """y without D x, and the states (orders, chunks, B, C) from which each chunk was walked."""
    states, scratch = _new_states(x), _Scratch(x, 4)
    sums = []
    for columns in (False, True):
        tokens = _tokens(x, columns)
        total = torch.empty_like(tokens, memory_format=torch.contiguous_format)
        for k in _orders(columns):
            sequence = _tokens(params[..., k, :], columns)
            weights = _Weights(weight[k], bias[k], A[k])
            _scan(tokens, sequence, weights, _is_back(k), total, states[k], scratch)
        sums.append(_image(total, x.shape, columns))
    return sums[0].add_(sums[1]), states


@_scan_image.register_fake
def _(x: Tensor, params: Tensor, weight: Tensor, bias: Tensor, A: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x, memory_format=torch.contiguous_format), _new_states(x)


@torch.library.custom_op('mila::image_scan_backward', mutates_args=())
def _scan_image_backward(
    grad: Tensor,
    states: Tensor,
    x: Tensor,
    params: Tensor,
    weight: Tensor,
    bias: Tensor,
    A: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of x, params, weight, bias and A from that of y.

    With g_i = dL/dh_i = C_i dL/dy_i + exp(Δ_{i+1} A) g_{i+1}, a recurrence too:

        dL/dC_i = dL/dy_i h_i,  dL/dB_i = g_i Δ_i x_i (sums over channels),  dL/dx_i = g_i Δ_i B_i,
        dL/dΔ_i = g_i (B_i x_i + A exp(Δ_i A) h_{i-1}),  dL/dA = sum_i g_i Δ_i exp(Δ_i A) h_{i-1}
    """
    scratch = _Scratch(x, 9)
    grad_params = torch.empty_like(params, memory_format=torch.contiguous_format)
    grads = _Weights(*(torch.zeros_like(t) for t in (weight, bias, A)))
    sums = []
    for columns in (False, True):
        tokens, tokens_grad = _tokens(x, columns), _tokens(grad, columns)
        total = torch.empty_like(tokens, memory_format=torch.contiguous_format)
        for k in _orders(columns):
            sequence = _tokens(params[..., k, :], columns)
            sequence_grad = torch.empty_like(sequence, memory_format=torch.contiguous_format)
            _scan_backward(
                tokens_grad,
                states[k],
                tokens,
                sequence,
                _Weights(weight[k], bias[k], A[k]),
                _is_back(k),
                total,
                sequence_grad,
                _Weights(*(t[k] for t in grads)),
                scratch,
            )
            grad_params[..., k, :] = _image(sequence_grad, x.shape, columns)
        sums.append(_image(total, x.shape, columns))
    return sums[0].add_(sums[1]), grad_params, *grads


@_scan_image_backward.register_fake
def _(grad: Tensor, states: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.empty_like(t, memory_format=torch.contiguous_format) for t in inputs)


def _keep(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1], *inputs)


def _backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor, ...]:
    return _scan_image_backward(grad, *ctx.saved_tensors)


_scan_image.register_autograd(_backward, setup_context=_keep)


@register_flop_formula(torch.ops.mila.image_scan)
def _flops(x_shape: Sequence[int], params_shape: Sequence[int], *args: Any, **kwargs: Any) -> int:
    """8 multiply-adds per order and number of x, as in scan.py, and the product W r."""
    orders, rank = params_shape[-2], params_shape[-1] - 2
    return 2 * (8 + rank) * orders * math.prod(x_shape)


class _Weights(NamedTuple):
    """Those of one order: (C, rank), (C), (C); in the backward pass their gradients too."""

    weight: Tensor
    bias: Tensor
    A: Tensor


class _Scratch:
    """Memory for the maps of a chunk, the same for all: first use of fresh memory is slow."""

    def __init__(self, x: Tensor, number: int) -> None:
        """For `number` maps of a chunk of x (B, H, W, C)."""
        images, height, width, channels = x.shape
        tokens = min(_chunk_length(x), height * width) + STEPS  # a last block is filled up
        self.memory = x.new_empty(number, images * tokens * channels)

    def maps(self, shape: Sequence[int]) -> tuple[Tensor, ...]:
        """Views of this shape, with whatever they hold."""
        return self.memory[:, : math.prod(shape)].unflatten(1, shape).unbind(0)


def _orders(columns: bool) -> list[int]:
    return [k for k, order in enumerate(ORDERS) if order.startswith('column') == columns]


def _is_back(k: int) -> bool:
    return ORDERS[k].endswith('back')


def _tokens(x: Tensor, columns: bool) -> Tensor:
    """(B, H, W, C) -> (B, N, C), row by row or column by column; a view where it can be."""
    return (x.transpose(1, 2) if columns else x).flatten(1, 2)


def _image(tokens: Tensor, shape: Sequence[int], columns: bool) -> Tensor:
    """The inverse of `_tokens`, as a view, to (B, H, W, ...) of this shape."""
    _, height, width, _ = shape
    if columns:
        return tokens.unflatten(1, (width, height)).transpose(1, 2)
    return tokens.unflatten(1, (height, width))


def _chunk_length(x: Tensor) -> int:
    """Tokens per chunk, of which the last may have less: whole blocks, for x (B, ..., C)."""
    length = max(1, CHUNK // (x.shape[0] * x.shape[-1]))
    return length if length < STEPS else length // STEPS * STEPS


def _new_states(x: Tensor) -> Tensor:
    images, height, width, channels = x.shape
    chunks = -(-height * width // _chunk_length(x))
    return x.new_empty(len(ORDERS), chunks, images, channels)


def _chunks(x: Tensor, back: bool) -> Iterator[tuple[int, slice]]:
    """Number and tokens of each chunk of x (B, N, C), in the order of the walk."""
    length, tokens = _chunk_length(x), x.shape[1]
    starts = list(enumerate(range(0, tokens, length)))
    for i, start in reversed(starts) if back else starts:
        yield i, slice(start, min(start + length, tokens))


def _walk_shape(tokens: Tensor) -> tuple[int, int, int, int]:
    """(steps, B, blocks, C) of a chunk (B, n, C): fewest calls at two per step, one per block."""
    images, n, channels = tokens.shape
    if images * channels >= WIDE:
        steps = n
    elif n % STEPS == 0:
        steps = STEPS
    else:
        steps = max(1, min(STEPS, math.isqrt(n // 2)))
    return steps, images, -(-n // steps), channels


def _by_step(tokens: Tensor, out: Tensor) -> Tensor:
    """A chunk (B, n, K) in the layout of out (steps, B, blocks, K); filled up with zeros.

    Only the end of an image is ever filled up. There B = C = 0 and nothing is added to a state or
    a gradient.
    """
    steps, _, blocks, _ = out.shape
    missing = steps * blocks - tokens.shape[1]
    if missing:
        tokens = F.pad(tokens, (0, 0, 0, missing))
    return out.copy_(tokens.unflatten(1, (blocks, steps)).permute(2, 0, 1, 3))


def _put(chunk: Tensor, to: Tensor, add: bool = False) -> None:
    """Write a chunk (steps, B, blocks, K) to its tokens (B, n, K), the inverse of `_by_step`."""
    steps, _, blocks, _ = chunk.shape
    chunk = chunk.permute(1, 2, 0, 3)  # (B, blocks, steps, K)
    if steps * blocks == to.shape[1]:
        to = to.unflatten(1, (blocks, steps))
    else:
        chunk = chunk.flatten(1, 2)[:, : to.shape[1]]
    if add:
        to += chunk
    else:
        to.copy_(chunk)


def _read_params(params: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """A chunk's r, B and C (steps, B, blocks, rank or 1) from (B, n, rank + 2)."""
    rows = _by_step(params, params.new_empty(*shape[:3], params.shape[-1]))
    r, B, C = rows.split((params.shape[-1] - 2, 1, 1), dim=-1)
    return r, B, C


def _project(r: Tensor, weights: _Weights, out: Tensor) -> Tensor:
    """W r + b, (steps, B, blocks, C)."""
    flat = out.flatten(0, 2)
    return torch.addmm(weights.bias, r.flatten(0, 2), weights.weight.t(), out=flat).view_as(out)


def _decay(delta: Tensor, weights: _Weights, out: Tensor) -> Tensor:
    """exp(Δ A); exp2 is the one whose vectors PyTorch computes faster."""
    return torch.mul(delta, weights.A * LOG2_E, out=out).exp2_()


def _scan(
    x: Tensor,
    params: Tensor,
    weights: _Weights,
    back: bool,
    total: Tensor,
    states: Tensor,
    scratch: _Scratch,
) -> None:
    """C_i h_i for x (B, N, C), added to total if `back`; and the state before each chunk."""
    h = torch.zeros_like(x[:, 0])
    for i, chunk in _chunks(x, back):
        states[i] = h
        part = x[:, chunk]
        shape = _walk_shape(part)
        source, delta, a, spare = scratch.maps(shape)
        r, B, C = _read_params(params[:, chunk], shape)
        delta = softplus_(_project(r, weights, delta), a, spare)
        a = _decay(delta, weights, a)
        y = delta.mul_(_by_step(part, source)).mul_(B)
        h = _walk(a, y, h, back)
        _put(y.mul_(C), total[:, chunk], add=back)


def _scan_backward(
    grad: Tensor,
    states: Tensor,
    x: Tensor,
    params: Tensor,
    weights: _Weights,
    back: bool,
    total: Tensor,
    grad_params: Tensor,
    grads: _Weights,
    scratch: _Scratch,
) -> None:
    """The gradient of x, added to total if `back`; that of params; add to those of the weights."""
    carry = torch.zeros_like(x[:, 0])  # exp(Δ A) g of the token that follows in the walk
    for i, chunk in reversed(list(_chunks(x, back))):
        part = x[:, chunk]
        shape = _walk_shape(part)
        source, upstream, slope, delta, a, written, h, g, spare = scratch.maps(shape)
        r, B, C = _read_params(params[:, chunk], shape)
        _by_step(part, source)
        _by_step(grad[:, chunk], upstream)

        raw = _project(r, weights, delta)
        torch.sigmoid(raw, out=slope)  # of softplus
        softplus_(delta, a, spare)
        _decay(delta, weights, a)
        torch.mul(source, B, out=written)
        torch.mul(written, delta, out=h)
        _walk(spare.copy_(a), h, states[i], back)
        torch.mul(upstream, C, out=g)
        _walk(_previous(a, 1, not back, spare), g, carry, not back)
        first = (-1, slice(None), -1) if back else (0, slice(None), 0)
        carry = a[first] * g[first]

        grad_C = upstream.mul_(h).sum(-1, keepdim=True)
        kept = _previous(h, states[i], back, spare).mul_(a).mul_(g)  # g_i exp(Δ_i A) h_{i-1}
        step = torch.mul(delta, g, out=h)
        grad_B = source.mul_(step).sum(-1, keepdim=True)
        _put(step.mul_(B), total[:, chunk], add=back)
        grad_raw = written.mul_(g).addcmul_(kept, weights.A).mul_(slope).flatten(0, 2)
        # Both products transposed: a few rows times a long matrix is what BLAS is fast at.
        grads.weight.add_((r.flatten(0, 2).t() @ grad_raw).t())
        grads.bias.add_(grad_raw.sum(0))
        grads.A.add_(kept.mul_(delta).sum((0, 1, 2)))
        grad_r = (weights.weight.t() @ grad_raw.t()).t().view(r.shape)
        _put(torch.cat((grad_r, grad_B, grad_C), dim=-1), grad_params[:, chunk])


def _walk(a: Tensor, b: Tensor, h: Tensor, back: bool) -> Tensor:
    """h_i = a_i h_{i-1} + b_i in the place of b (steps, B, blocks, C); a is used up.

    Args:
        a, b: contiguous.
        h: (B, C), the state before the first token, or with `back` after the last.

    Returns:
        The state (B, C) at the other end.
    """
    direction = slice(None, None, -1 if back else 1)
    decays, states = a.unbind(0)[direction], b.unbind(0)[direction]
    if b.shape[2] == 1:
        h = h[:, None]
        for decay, state in zip(decays, states, strict=True):
            h = state.addcmul_(decay, h)
        return h[:, 0].clone()
    for i in range(1, len(states)):
        states[i].addcmul_(decays[i], states[i - 1])
        decays[i].mul_(decays[i - 1])
    starts = []
    for decay, end in list(zip(decays[-1].unbind(1), states[-1].unbind(1), strict=True))[direction]:
        starts.append(h)
        h = torch.addcmul(end, decay, h)
    b.addcmul_(a, torch.stack(starts[direction], dim=1))
    return h


def _previous(x: Tensor, outside: Tensor | float, back: bool, out: Tensor) -> Tensor:
    """Each token's predecessor in the walk: x_{i-1}, or with `back` x_{i+1}; the first's: outside.

    Args:
        x: (steps, B, blocks, C).
        outside: (B, C) or a number.
        back: the walk is from the last token to the first.
        out: as x, for the result.
    """
    if back:
        out[:-1], out[-1, :, :-1], out[-1, :, -1] = x[1:], x[0, :, 1:], outside
    else:
        out[1:], out[0, :, 1:], out[0, :, 0] = x[:-1], x[-1, :, :-1], outside
    return out


def softplus_(x: Tensor, power: Tensor, rounded: Tensor) -> Tensor:
    """log(1 + exp(x)) in place; PyTorch's takes logarithms of 1 + p one by one, ten times slower.

    Args:
        x, power, rounded: of one shape, the last two for what comes between.
    """
    torch.abs(x, out=power).mul_(-LOG2_E).exp2_()
    torch.add(power, 1, out=rounded)
    # log(1 + p) = log(u) + (p - (u - 1)) / u for u = 1 + p rounded: exact for the smallest p too.
    x.clamp_(min=0)
    power.sub_(rounded.sub_(1))
    rounded += 1  # exact: the sum that was rounded
    return x.add_(power.div_(rounded).add_(rounded.log_()))
