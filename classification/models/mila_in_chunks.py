"""MILA's parts on a CPU without gradients: tokens in chunks that stay in the cache.

A block reads and writes each token about thirty times. Taken over the whole image, each of these is
a pass through memory; in chunks only the maps between the convolutions are. So are the wide maps
within a downsampling, with eight times the channels. The equations are those of `Block` and
`linear_attention`:

    u, g = W_i norm(x), SiLU(W_a norm(x));  v = SiLU(DWConv(u))
    KV = mean_j rot(f(k_j)) v_j^T,  m = mean_j f(k_j),  f(r) = ELU(r) + 1
    x_i += W_o ((rot(f(q_i)) KV / (f(q_i) m + ε) + LePE(v)_i) g_i)
    x_i += W_2 GELU(W_1 norm(x_i))
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .ops.depthwise import depthwise
from .ops.devices import computes_now, is_plain
from .ops.linear_attention import EPS
from .ops.rotary import rotary_numbers

if TYPE_CHECKING:
    from .mila import Block, Downsample

# Numbers, of which an MLP's inner width needs four times more: they stay in the caches of one or a
# few cores, and are work enough for each.
CHUNK = 2**17
WIDE_CHUNK = 2**21  # numbers of the wide rows in a downsampling, a share of the last cache


def downsample_fits(down: Downsample, x: Tensor) -> bool:
    """Whether `downsample_in_chunks` computes the convolutions of down(x)."""
    widen, halve, narrow = (layer.conv for layer in down.layers)
    return (
        computes_now(x)
        and not torch.is_autocast_enabled('cpu')
        and widen.weight.dtype == x.dtype
        and is_plain(widen, halve, narrow)
    )


def downsample_in_chunks(down: Downsample, x: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, H / 2, W / 2, 2 C), sizes rounded up, before the last norm."""
    widen, halve, narrow = (layer.conv for layer in down.layers)
    images, height, width, channels = x.shape
    y = x.new_empty(images, -(-height // 2), -(-width // 2), narrow.out_channels)
    rows = 2 * max(1, WIDE_CHUNK // (2 * width * widen.out_channels))
    rows = min(rows, height + height % 2)
    weight, narrow_weight = widen.weight.flatten(1), narrow.weight.flatten(1)
    for image, out in zip(x, y, strict=True):
        # The first row is the one above the chunk, the last one the padding of an odd height.
        wide = x.new_zeros(rows + 1, width, widen.out_channels)
        for start in range(0, height, rows):
            part = image[start : start + rows].flatten(0, 1)
            count = -(-len(part) // width)
            filled = wide[1 : count + 1].view(-1, widen.out_channels)
            _linear(weight, widen.bias, part, filled).relu_()
            if count % 2:
                wide[count + 1] = 0
            halved = F.conv2d(
                wide[None, : count + count % 2 + 1].permute(0, 3, 1, 2),
                halve.weight,
                halve.bias,
                stride=2,
                padding=(0, 1),
                groups=halve.groups,
            )
            halved = halved.relu_().permute(0, 2, 3, 1).flatten(0, 2)
            to = out[start // 2 : start // 2 + (count + 1) // 2].view(-1, narrow.out_channels)
            _linear(narrow_weight, narrow.bias, halved, to)
            wide[0] = wide[rows]
    return y


def block_fits(block: Block, x: Tensor) -> bool:
    """Whether `block_in_chunks` computes block(x): on a CPU, for inference, with plain layers."""
    return (
        computes_now(x)
        and not block.training
        and not torch.is_autocast_enabled('cpu')
        and block.in_proj.weight.dtype == x.dtype
        and block.is_plain()
    )


def block_in_chunks(block: Block, x: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, H, W, C), new."""
    x = depthwise(block.cpe1, x, residual=True)
    _attend(block, x)
    x = depthwise(block.cpe2, x, residual=True)
    tokens = x.flatten(0, 2)
    for part in _chunks(tokens):
        hidden = F.gelu(block.mlp.fc1(block.norm2(part)))
        part += block.mlp.fc2(hidden)
    return x


def _attend(block: Block, x: Tensor) -> None:
    """Add the gated attention to x (B, H, W, C)."""
    tokens = x.flatten(0, 2)
    u, gate = torch.empty_like(x), torch.empty_like(x)
    for part, to_u, to_gate in zip(
        *(_chunks(t) for t in (tokens, u.flatten(0, 2), gate.flatten(0, 2))), strict=True
    ):
        normal = block.norm1(part)
        _linear(block.in_proj.weight, block.in_proj.bias, normal, to_u)
        F.silu(_linear(block.act_proj.weight, block.act_proj.bias, normal, to_gate), inplace=True)
    v = F.silu(depthwise(block.dwc, u), inplace=True)
    local = depthwise(block.attn.lepe, v)
    wide = torch.promote_types(x.dtype, torch.float32)
    _, height, width, channels = x.shape
    turns = rotary_numbers(height, width, channels, x.device, wide)
    for image in range(len(x)):
        maps = (t[image].flatten(0, 1) for t in (x, v, local, gate))
        _attend_in_image(block, *maps, turns=turns)


def _attend_in_image(
    block: Block, x: Tensor, v: Tensor, local: Tensor, gate: Tensor, *, turns: Tensor
) -> None:
    """Add the gated attention to the tokens x (N, C) of one image, from v, LePE(v) and gate."""
    heads = block.attn.num_heads
    n, channels = x.shape
    width = channels // heads
    wide = torch.promote_types(x.dtype, torch.float32)
    (w_q, w_k), (b_q, b_k) = block.attn.qk.weight.chunk(2), block.attn.qk.bias.chunk(2)

    m = torch.zeros(channels, dtype=wide)
    kv = torch.zeros(heads, width, width, dtype=wide)
    for part, turn in zip(_chunks(v), _chunks(turns, channels), strict=True):
        k = _features(_linear(w_k, b_k, part).to(wide))
        m += k.sum(0)
        k = _heads(_rotate_(k, turn), heads)
        # PyTorch counts no FLOPs of baddbmm_.
        kv += torch.bmm(k.transpose(1, 2), _heads(part.to(wide), heads))
    kv /= n
    m = (m / n).view(heads, width, 1)

    for part, source, near, factor, turn in zip(
        *(_chunks(t) for t in (x, v, local, gate)), _chunks(turns, channels), strict=True
    ):
        q = _features(_linear(w_q, b_q, source).to(wide))
        z = torch.bmm(_heads(q, heads), m).add_(EPS).reciprocal_()
        y = torch.bmm(_heads(_rotate_(q, turn), heads), kv).mul_(z)
        y = (near.to(wide).view(-1, heads, width) + y.transpose(0, 1)).reshape(part.shape)
        part += block.out_proj(y.to(x.dtype).mul_(factor))


def _chunks(tokens: Tensor, channels: int = 0) -> Iterator[Tensor]:
    """Views of tokens (N, C) with about CHUNK numbers each, for tokens of `channels` numbers."""
    return iter(tokens.split(max(1, CHUNK // (channels or tokens.shape[-1]))))


def _linear(weight: Tensor, bias: Tensor | None, x: Tensor, out: Tensor | None = None) -> Tensor:
    assert bias is not None  # every layer here has one
    return torch.addmm(bias, x, weight.t(), out=out)


def _heads(x: Tensor, heads: int) -> Tensor:
    """(N, C) -> (heads, N, C / heads)."""
    return x.view(len(x), heads, -1).transpose(0, 1)


def _features(raw: Tensor) -> Tensor:
    """ELU + 1, in place; PyTorch's ELU computes its exponents one by one on AVX-512."""
    below = raw.clamp(max=0).exp_()
    return raw.clamp_(min=0).add_(below)


def _rotate_(x: Tensor, turns: Tensor) -> Tensor:
    """`rotate` in place, for tokens (N, C) and complex numbers (N, C / 2)."""
    torch.view_as_complex(x.unflatten(-1, (-1, 2))).mul_(turns)
    return x
