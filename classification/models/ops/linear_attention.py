"""Linear attention as MILA uses it: positive features, rotary positions, normalisation, LePE.

Source: Han et al., "Demystify Mamba in Vision: A Linear Attention Perspective" (NeurIPS 2024).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .depthwise import depthwise
from .devices import has_kernels
from .rotary import RotaryTable, rotate

EPS = 1e-6  # added to the normaliser, per token


def linear_attention(q: Tensor, k: Tensor, v: Tensor, table: RotaryTable, num_heads: int) -> Tensor:
    """y_i = rot(q_i) (sum_j rot(k_j)^T v_j) / (q_i sum_j k_j^T), per head, linear in H x W.

    Args:
        q, k: positive features (B, H, W, C).
        v: values (B, H, W, C).
        table: from `rotary_table(H, W, C)`; the rotation runs over all channels, before the heads.
        num_heads: must divide C.

    Returns:
        (B, H, W, C).
    """
    b, h, w, c = v.shape
    n = h * w

    def heads(x: Tensor) -> Tensor:  # (B, H, W, C) -> (B, heads, N, C / heads)
        return x.reshape(b, n, num_heads, c // num_heads).transpose(1, 2)

    q_rot, k_rot, v = heads(rotate(q, table)), heads(rotate(k, table)), heads(v)
    q, k = heads(q), heads(k)
    z = 1 / (q @ k.mean(dim=-2, keepdim=True).transpose(-2, -1) + EPS)  # (B, heads, N, 1)
    kv = (k_rot * n**-0.5).transpose(-2, -1) @ (v * n**-0.5)
    return (q_rot @ kv * z).transpose(1, 2).reshape(b, h, w, c)


def naive_linear_attention(
    q: Tensor, k: Tensor, v: Tensor, table: RotaryTable, num_heads: int
) -> Tensor:
    """The reference of `linear_attention`: the N x N weights, then their sums of values.

    Arguments and result are those of `linear_attention`; time and memory are quadratic in N.
    """
    b, h, w, c = v.shape
    weights = attention_map(q, k, table, num_heads)
    v = v.reshape(b, h * w, num_heads, c // num_heads)
    return torch.einsum('bhij,bjhd->bihd', weights, v).reshape(b, h, w, c)


def attention_map(q: Tensor, k: Tensor, table: RotaryTable, num_heads: int) -> Tensor:
    """What each token reads from each other one.

    Args:
        q, k, table, num_heads: as for `linear_attention`.

    Returns:
        Weights (B, heads, N, N), from the reading token to the one that is read.
    """
    b, h, w, c = q.shape
    q_rot, k_rot = rotate(q, table), rotate(k, table)
    q, k, q_rot, k_rot = (
        x.reshape(b, h * w, num_heads, c // num_heads) for x in (q, k, q_rot, k_rot)
    )
    scores = torch.einsum('bihd,bjhd->bhij', q_rot, k_rot)
    norm = torch.einsum('bihd,bjhd->bhij', q, k).sum(-1, keepdim=True)
    return scores / (norm + EPS * h * w)


def attention_row(
    q: Tensor, k: Tensor, table: RotaryTable, num_heads: int, query: Sequence[int]
) -> Tensor:
    """What one token reads from each other one: a row of `attention_map`, in time linear in N.

    Args:
        q, k, table, num_heads: as for `linear_attention`.
        query: (row, column) of the token that reads.

    Returns:
        Weights (B, heads, H, W).
    """
    row, column = query

    def heads(x: Tensor) -> Tensor:  # (B, H, W, C) -> (B, H, W, heads, C / heads)
        return x.unflatten(-1, (num_heads, -1))

    q_rot, k_rot = heads(rotate(q, table))[:, row, column], heads(rotate(k, table))
    q, k = heads(q)[:, row, column], heads(k)
    scores = torch.einsum('bnd,bhwnd->bnhw', q_rot, k_rot)
    norm = torch.einsum('bnd,bnd->bn', q, k.sum(dim=(1, 2)))
    return scores / (norm + EPS * k.shape[1] * k.shape[2])[..., None, None]


def gated_attention(
    qk: Tensor, v: Tensor, local: Tensor, gate: Tensor, table: RotaryTable, num_heads: int
) -> Tensor:
    """(linear_attention(ELU(q) + 1, ELU(k) + 1, v) + local) * SiLU(gate).

    Args:
        qk: q and k side by side, (B, H, W, 2 C).
        v, local, gate: (B, H, W, C).
        table, num_heads: as for `linear_attention`.

    Returns:
        (B, H, W, C).
    """
    if has_kernels(v):
        from .kernels.gated_attention import gated_attention as kernel

        return kernel(qk, v, local, gate, *table, num_heads)[0]
    q, k = qk.chunk(2, dim=-1)
    # Half precision ends here: ELU + 1 underflows to 0 in fp16 and 0 / 0 follows.
    with torch.autocast(v.device.type, enabled=False):
        dtype = torch.promote_types(v.dtype, torch.float32)
        q, k = F.elu(q.to(dtype)) + 1, F.elu(k.to(dtype)) + 1
        out = linear_attention(q, k, v.to(dtype), table, num_heads).to(v.dtype)
    return (out + local) * F.silu(gate)


class LinearAttention(nn.Module):
    """Gated linear attention over an image: q, k = ELU(x W) + 1, v = x, and a local term LePE(v).

    Args:
        dim: channels, a multiple of 4 and of num_heads.
        num_heads: attention heads.

    Raises:
        ValueError: a width that does not divide so.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        if dim % num_heads or dim % 4:
            raise ValueError(f'{dim} channels must divide by num_heads={num_heads} and by 4.')
        self.num_heads = num_heads
        self.qk = nn.Linear(dim, 2 * dim)
        self.lepe = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor, gate: Tensor, table: RotaryTable) -> Tensor:
        """x, gate: (B, H, W, C), table: from `rotary_table(H, W, C)`. Returns (B, H, W, C)."""
        return gated_attention(self.qk(x), x, depthwise(self.lepe, x), gate, table, self.num_heads)
