"""Linear attention as MILA uses it: positive features, rotary positions, normalisation, LePE.

Source: Han et al., "Demystify Mamba in Vision: A Linear Attention Perspective" (NeurIPS 2024);
rotary embedding: Su et al., RoFormer (2021), here over rows and columns of the image.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

EPS = 1e-6
# Released files carry one table a block, sized for one resolution, under this name.
ROTARY_BUFFER = 'attn.rope.rotations'

_TABLES: OrderedDict = OrderedDict()
_MAX_TABLES = 16  # 4 stages x 4 image sizes, 0.1 GB for MILA-T at 800x1333; oldest leave first


def rotary_table(height, width, dim, device, dtype=torch.float32):
    """Cosine and sine of every token's rotation angles, from the cache where it holds them.

    Args:
        height, width: the feature map, in tokens.
        dim: channels, a multiple of 4: the first half turns with the row, the rest with the column.

    Returns:
        (cos, sin), each (height, width, dim / 2).
    """
    # Traced or fake tensors belong to their trace: none may enter the cache, nor meet one from it.
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if traced or type(torch.empty(0)) is not torch.Tensor:
        return _rotary_table(height, width, dim, device, dtype)
    key = (height, width, dim, torch.device(device), dtype)
    if key not in _TABLES:
        # A table made in inference mode could not serve a later training step.
        with torch.inference_mode(False):
            _TABLES[key] = _rotary_table(height, width, dim, device, dtype)
        if len(_TABLES) > _MAX_TABLES:
            _TABLES.popitem(last=False)
    _TABLES.move_to_end(key)
    return _TABLES[key]


def _rotary_table(height, width, dim, device, dtype):
    theta = 10000 ** (-torch.arange(dim // 4, device=device, dtype=torch.float32) / (dim // 4))
    rows = torch.arange(height, device=device, dtype=torch.float32)[:, None] * theta
    cols = torch.arange(width, device=device, dtype=torch.float32)[:, None] * theta
    angles = torch.cat(
        (rows[:, None].expand(-1, width, -1), cols[None].expand(height, -1, -1)), dim=-1
    )
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x, table):
    """Turn the channel pairs (2t, 2t+1) of x (B, H, W, C) by the table's angles (H, W, C / 2)."""
    cos, sin = table
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)


def linear_attention(q, k, v, table, num_heads):
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

    def heads(x):  # (B, H, W, C) -> (B, heads, N, C / heads)
        return x.reshape(b, n, num_heads, c // num_heads).transpose(1, 2)

    q_rot, k_rot, v = heads(rotate(q, table)), heads(rotate(k, table)), heads(v)
    q, k = heads(q), heads(k)
    z = 1 / (q @ k.mean(dim=-2, keepdim=True).transpose(-2, -1) + EPS)  # (B, heads, N, 1)
    kv = (k_rot * n**-0.5).transpose(-2, -1) @ (v * n**-0.5)
    return (q_rot @ kv * z).transpose(1, 2).reshape(b, h, w, c)


def naive_linear_attention(q, k, v, table, num_heads):
    """The same function written as attention: the N x N weights, then their sum of values."""
    b, h, w, c = v.shape
    weights = attention_map(q, k, table, num_heads)
    v = v.reshape(b, h * w, num_heads, c // num_heads)
    return torch.einsum('bhij,bjhd->bihd', weights, v).reshape(b, h, w, c)


def attention_map(q, k, table, num_heads):
    """What each token reads from each other one: weights (B, heads, N, N) for q, k (B, H, W, C)."""
    b, h, w, c = q.shape
    q_rot, k_rot = rotate(q, table), rotate(k, table)
    q, k, q_rot, k_rot = (
        x.reshape(b, h * w, num_heads, c // num_heads) for x in (q, k, q_rot, k_rot)
    )
    scores = torch.einsum('bihd,bjhd->bhij', q_rot, k_rot)
    norm = torch.einsum('bihd,bjhd->bhij', q, k).sum(-1, keepdim=True)
    return scores / (norm + EPS * h * w)


class LinearAttention(nn.Module):
    """Linear attention over an image: q, k = ELU(x W) + 1, v = x, plus a local term LePE(v).

    Args:
        dim: channels, a multiple of 4 and of num_heads.
        num_heads: attention heads.
    """

    def __init__(self, dim, num_heads):
        super().__init__()
        if dim % num_heads or dim % 4:
            raise ValueError(f'{dim} channels must divide by num_heads={num_heads} and by 4.')
        self.num_heads = num_heads
        self.qk = nn.Linear(dim, 2 * dim)
        self.lepe = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x, table):
        """x: (B, H, W, C), table: from `rotary_table`. Returns (B, H, W, C)."""
        v = x
        q, k = self.qk(x).chunk(2, dim=-1)
        # Half precision ends here: ELU + 1 underflows to 0 in fp16 and 0 / 0 follows.
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.promote_types(x.dtype, torch.float32)
            q, k = F.elu(q.to(dtype)) + 1, F.elu(k.to(dtype)) + 1
            out = linear_attention(q, k, v.to(dtype), table, self.num_heads).to(x.dtype)
        return out + self.lepe(v.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
