"""MILA's block as compilers and other runtimes compute it fastest: on maps (B, C, H, W).

Linear layers are 1x1 convolutions, so that no layout changes between them and the depthwise ones,
and what follows a convolution can become a part of it. Queries and keys come as two halves, the
first and the second channel of each pair that a rotation turns: a product of halves needs no
channels side by side. The equations are those of `Block` and `linear_attention`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .ops.devices import becomes_a_graph
from .ops.layer_norm import layer_norm_of_maps
from .ops.layout import linear_of_maps
from .ops.linear_attention import EPS, LinearAttention
from .ops.rotary import RotaryTable

if TYPE_CHECKING:
    from .mila import Block


def block_fits(block: Block, x: Tensor) -> bool:
    """Whether `block_in_maps` computes block(x): as part of a graph, with plain layers."""
    pairs_stay_in_heads = x.shape[-1] // block.attn.num_heads % 2 == 0
    return becomes_a_graph(x) and pairs_stay_in_heads and block.is_plain()


def block_in_maps(block: Block, x: Tensor, table: RotaryTable) -> Tensor:
    """(B, H, W, C) and the table of H x W positions -> (B, H, W, C)."""
    x = x.permute(0, 3, 1, 2)
    x = x + block.cpe1(x)
    y = layer_norm_of_maps(block.norm1, x)
    gate = linear_of_maps(block.act_proj, y)
    v = F.silu(block.dwc(linear_of_maps(block.in_proj, y)))
    y = _attention(block.attn, v, table) + block.attn.lepe(v)
    x = x + block.drop_path(linear_of_maps(block.out_proj, y * F.silu(gate)))
    x = x + block.cpe2(x)
    hidden = F.gelu(linear_of_maps(block.mlp.fc1, layer_norm_of_maps(block.norm2, x)))
    x = x + block.drop_path(linear_of_maps(block.mlp.fc2, hidden))
    return x.permute(0, 2, 3, 1)


def _attention(attn: LinearAttention, v: Tensor, table: RotaryTable) -> Tensor:
    """Linear attention of values (B, C, H, W), without the local term and the gate."""
    b, c, h, w = v.shape
    cos, sin = (part.permute(2, 0, 1) for part in table)  # (C / 2, H, W)
    qk = F.conv2d(v, _halves(attn.qk.weight)[..., None, None], _halves(attn.qk.bias))

    def heads(maps: Tensor) -> Tensor:  # (B, D, H, W) -> (B, heads, D / heads, N)
        return maps.reshape(b, attn.num_heads, -1, h * w)

    # Half precision ends here, see `gated_attention`.
    with torch.autocast(v.device.type, enabled=False):
        dtype = torch.promote_types(v.dtype, torch.float32)
        q1, q2, k1, k2 = (F.elu(qk.to(dtype)) + 1).chunk(4, dim=1)
        values = heads(v.to(dtype)) / (h * w)
        kv1 = values @ heads(k1 * cos - k2 * sin).transpose(-2, -1)  # (B, heads, d, d / 2)
        kv2 = values @ heads(k2 * cos + k1 * sin).transpose(-2, -1)
        m1, m2 = (k.mean((2, 3), keepdim=True) for k in (k1, k2))
        z = 1 / (heads(q1 * m1 + q2 * m2).sum(2, keepdim=True) + EPS)  # (B, heads, 1, N)
        y = kv1 @ heads(q1 * cos - q2 * sin) + kv2 @ heads(q2 * cos + q1 * sin)
        return (y * z).reshape(b, c, h, w).to(v.dtype)


def _halves(parameter: Tensor) -> Tensor:
    """Rows of q and k in pairs -> the first of each pair of q, the second, and so for k."""
    return parameter.unflatten(0, (2, -1, 2)).transpose(1, 2).flatten(0, 2)
