"""MILA as the official code computes it, for comparisons of speed: the same weights and results.

Source of the order of operations: the code released with Han et al. (NeurIPS 2024). Features are
sequences (B, N, C) that become maps (B, C, H, W) around each convolution, the rotation is a product
of complex numbers, nothing is fused. On sizes that the official code takes (multiples of 32) and
others alike.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.mila import MILA, Block
from ..models.ops.linear_attention import EPS, LinearAttention
from ..models.ops.rotary import rotary_numbers


class OfficialMILA(nn.Module):
    """A MILA's maps (B, C_i, H_i, W_i) or logits, as the official code computes them.

    Args:
        model: whose modules are used, not copied.
        dense: give the maps of all stages, without a norm; else logits.
    """

    def __init__(self, model: MILA, dense: bool = False) -> None:
        super().__init__()
        self.model = model
        self.dense = dense

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Images (B, 3, H, W)."""
        model: Any = self.model
        stem = model.patch_embed
        x = stem.conv1(x)
        x = stem.conv2(x) + x
        x = stem.conv3(x)
        maps = []
        for i, stage in enumerate(model.layers):
            height, width = x.shape[2:]
            turns = rotary_numbers(height, width, x.shape[1], x.device)
            turns = turns.unflatten(0, (height, width))
            x = x.flatten(2).transpose(1, 2)
            for block in stage.blocks:
                x = _block(block, x, height, width, turns)
            if i + 1 == len(model.layers) and not self.dense:
                return model.top.head(model.top.norm(x).transpose(1, 2).mean(dim=2))
            x = _to_map(x, height, width)
            maps.append(x)
            if i + 1 < len(model.layers):
                x = stage.downsample.conv(x)
        return maps


def _to_map(x: Tensor, height: int, width: int) -> Tensor:
    return x.reshape(x.shape[0], height, width, -1).permute(0, 3, 1, 2)


def _to_tokens(x: Tensor) -> Tensor:
    return x.flatten(2).permute(0, 2, 1)


def _block(block: Block, x: Tensor, height: int, width: int, turns: Tensor) -> Tensor:
    x = x + _to_tokens(block.cpe1(_to_map(x, height, width)))
    shortcut = x
    x = block.norm1(x)
    gate = F.silu(block.act_proj(x))
    x = F.silu(block.dwc(_to_map(block.in_proj(x), height, width)))
    x = _attention(block.attn, x.permute(0, 2, 3, 1).flatten(1, 2), height, width, turns)
    x = shortcut + block.drop_path(block.out_proj(x * gate))
    x = x + _to_tokens(block.cpe2(_to_map(x, height, width)))
    return x + block.drop_path(block.mlp(block.norm2(x)))


def _attention(attn: LinearAttention, x: Tensor, height: int, width: int, turns: Tensor) -> Tensor:
    b, n, c = x.shape
    heads = attn.num_heads

    def split(t: Tensor) -> Tensor:
        return t.reshape(b, n, heads, c // heads).permute(0, 2, 1, 3)

    def rotate(t: Tensor) -> Tensor:
        pairs = torch.view_as_complex(t.float().reshape(b, height, width, c // 2, 2))
        return split(torch.view_as_real(turns * pairs).flatten(-2).to(t.dtype))

    q, k = attn.qk(x).reshape(b, n, 2, c).permute(2, 0, 1, 3)
    q, k, v = F.elu(q) + 1, F.elu(k) + 1, split(x)
    q_turned, k_turned = rotate(q), rotate(k)
    q, k = split(q), split(k)
    z = 1 / (q @ k.mean(dim=-2, keepdim=True).transpose(-2, -1) + EPS)
    kv = (k_turned.transpose(-2, -1) * n**-0.5) @ (v * n**-0.5)
    out = (q_turned @ kv * z).transpose(1, 2).reshape(b, n, c)
    return out + _to_tokens(attn.lepe(_to_map(x, height, width)))
