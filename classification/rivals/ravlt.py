"""RAVLT: a backbone of linear attention whose key-value sum is brought to a higher rank (RALA).

Source: Fan, Huang and He, "Breaking the Low-Rank Dilemma of Linear Attention" (CVPR 2025). The
first two stages have linear attention, the others softmax attention. Features are laid out as
(B, H, W, C); released files store linear layers as 1x1 convolutions.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath, trunc_normal_
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from torch import Tensor, nn

from ..models.ops.depthwise import depthwise
from ..models.ops.layout import conv_nhwc
from ..models.ops.rotary import RotaryTable, rotate
from ..models.staged import Stage, StagedModel, create, default_cfg, drop_path_rates
from .renaming import rename_
from .token_norm import TokenBatchNorm

RAVLT_ARCHS: dict[str, dict[str, Any]] = {
    'tiny': dict(
        embed_dims=(64, 128, 256, 512),
        depths=(2, 2, 6, 2),
        num_heads=(1, 2, 4, 8),
        layer_scales=(1.0, 1.0, 1.0, 1.0),
    ),
    'small': dict(
        embed_dims=(64, 128, 320, 512),
        depths=(3, 5, 9, 3),
        num_heads=(1, 2, 5, 8),
        layer_scales=(1.0, 1.0, 1.0, 1.0),
    ),
    'base': dict(
        embed_dims=(96, 192, 384, 512),
        depths=(4, 6, 12, 6),
        num_heads=(1, 2, 6, 8),
        layer_scales=(1.0, 1.0, 1e-6, 1e-6),
    ),
    'large': dict(
        embed_dims=(96, 192, 448, 640),
        depths=(4, 7, 19, 8),
        num_heads=(1, 2, 7, 10),
        layer_scales=(1e-6, 1e-6, 1e-6, 1e-6),
    ),
}
EPS = 1e-6  # of the layer norms, and added to the normaliser of linear attention
LINEAR_STAGES = 2  # the first ones; the others have softmax attention


def rank_augmented_attention(q: Tensor, k: Tensor, v: Tensor, table: RotaryTable) -> Tensor:
    """Linear attention whose keys are weighted by their agreement with the mean query.

    w_j = N softmax_j(mean(q) k_j / sqrt(d));  k_j <- w_j k_j
    y_i = rot(q_i) (sum_j rot(k_j)^T v_j) / (q_i sum_j k_j^T)

    Args:
        q, k: positive features (B, heads, H, W, d).
        v: values (B, heads, H, W, d).
        table: of H x W positions and d channels.

    Returns:
        (B, heads, H, W, d).
    """
    n = q.shape[2] * q.shape[3]
    mean_query = q.mean(dim=(2, 3)).unsqueeze(-1)  # (B, heads, d, 1)
    scores = k.flatten(2, 3) @ mean_query * q.shape[-1] ** -0.5  # (B, heads, N, 1)
    k = k * (scores.softmax(dim=2) * n).unflatten(2, k.shape[2:4])
    mean_key = k.mean(dim=(2, 3)).unsqueeze(-1)
    z = 1 / (q.flatten(2, 3) @ mean_key + EPS)
    q, k, v = (x.flatten(2, 3) for x in (rotate(q, table), rotate(k, table), v))
    kv = (k * n**-0.5).transpose(-2, -1) @ (v * n**-0.5)
    return (q @ kv * z).unflatten(2, table[0].shape[:2])


class Attention(nn.Module):
    """W_p((attention(q, k, v) + LePE(v)) * o) with [q, k, v, o] = W x.

    Args:
        dim: channels.
        num_heads: heads, of a multiple of 4 channels each.
        linear: rank-augmented linear attention instead of softmax attention.
    """

    def __init__(self, dim: int, num_heads: int, linear: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.linear = linear
        self.qkvo = nn.Linear(dim, 4 * dim)
        self.lepe = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, table: RotaryTable) -> Tensor:
        """x (B, H, W, C) and the table of one head's channels -> (B, H, W, C)."""
        *qkv, o = self.qkvo(x).chunk(4, dim=-1)
        local = conv_nhwc(self.lepe, qkv[2])
        q, k, v = (y.unflatten(-1, (self.num_heads, -1)).permute(0, 3, 1, 2, 4) for y in qkv)
        y = (self._linear if self.linear else self._softmax)(q, k, v, table)
        return self.proj((y.permute(0, 2, 3, 1, 4).flatten(-2) + local) * o)

    @staticmethod
    def _linear(q: Tensor, k: Tensor, v: Tensor, table: RotaryTable) -> Tensor:
        """In float32 or better: half precision rounds small positive features to 0."""
        with torch.autocast(v.device.type, enabled=False):
            dtype = torch.promote_types(v.dtype, torch.float32)
            q, k = F.elu(q.to(dtype)) + 1, F.elu(k.to(dtype)) + 1
            return rank_augmented_attention(q, k, v.to(dtype), table).to(v.dtype)

    @staticmethod
    def _softmax(q: Tensor, k: Tensor, v: Tensor, table: RotaryTable) -> Tensor:
        height, width = v.shape[2:4]
        q, k = (rotate(x, table).to(v.dtype) for x in (q, k))
        q, k, v = (x.flatten(2, 3) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).unflatten(2, (height, width))


class ConvMlp(nn.Module):
    """W_2(u + DWConv(u)) with u = GELU(W_1 x)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        return self.fc2(depthwise(self.dwconv, F.gelu(self.fc1(x)), residual=True))


@register_notrace_module  # sizes are read
class Block(nn.Module):
    """x = x + CPE(x);  x = x + γ_1 attention(norm(x));  x = x + γ_2 MLP(norm(x))."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float,
        layer_scale: float,
        linear: bool,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.pos = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.attn = Attention(dim, num_heads, linear)
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.ffn = ConvMlp(dim, int(dim * mlp_ratio))
        self.gamma_1 = nn.Parameter(torch.full((dim,), layer_scale))
        self.gamma_2 = nn.Parameter(torch.full((dim,), layer_scale))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor, table: RotaryTable) -> Tensor:
        """(B, H, W, C) and the table of one head's channels -> (B, H, W, C)."""
        x = depthwise(self.pos, x, residual=True)
        x = x + self.drop_path(self.gamma_1 * self.attn(self.norm1(x), table))
        return x + self.drop_path(self.gamma_2 * self.ffn(self.norm2(x)))


@register_notrace_module  # as above
class RotaryPositions(nn.Module):
    """The angles of each head's channels: rows in the first half, columns in the second.

    Unlike MILA's, the frequencies run from 1 to 1/10000 with both ends.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> RotaryTable:
        """For features x (B, H, W, C), in float32 or better: (H, W, dim / 2) twice."""
        height, width = x.shape[1:3]
        dtype = torch.promote_types(x.dtype, torch.float32)
        theta = 10000 ** -torch.linspace(0, 1, self.dim // 4, device=x.device, dtype=dtype)
        rows, cols = (
            torch.arange(size, device=x.device, dtype=dtype)[:, None] * theta
            for size in (height, width)
        )
        angles = torch.cat(
            (rows[:, None].expand(-1, width, -1), cols[None].expand(height, -1, -1)), dim=-1
        )
        return angles.cos(), angles.sin()


class RAVLTStage(Stage):
    """A Stage that hands its blocks the rotary table of the map's size.

    Args:
        blocks: modules that take the features (B, H, W, C) and the table.
        downsample: as for Stage.
        head_dim: channels of a head, a multiple of 4.
    """

    def __init__(self, blocks: Sequence[nn.Module], downsample: nn.Module, head_dim: int) -> None:
        super().__init__(blocks, downsample)
        self.positions = RotaryPositions(head_dim)

    def block_arguments(self, x: Tensor) -> tuple[RotaryTable]:
        """The table for features x (B, H, W, C), see RotaryPositions."""
        return (self.positions(x),)


def conv_norm(in_chs: int, out_chs: int, stride: int) -> tuple[nn.Module, nn.Module]:
    """A 3x3 convolution and a batch norm."""
    return nn.Conv2d(in_chs, out_chs, 3, stride, padding=1), nn.BatchNorm2d(out_chs)


class Stem(nn.Module):
    """Four convolutions: (B, in_chans, H, W) -> (B, H / 4, W / 4, dim), sizes rounded up."""

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        half = dim // 2
        self.proj = nn.Sequential(
            *conv_norm(in_chans, half, stride=2),
            nn.GELU(),
            *conv_norm(half, half, stride=1),
            nn.GELU(),
            *conv_norm(half, half, stride=1),
            nn.GELU(),
            *conv_norm(half, dim, stride=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, H / 4, W / 4, dim)."""
        x = self.proj(x.contiguous(memory_format=torch.channels_last))
        return x.permute(0, 2, 3, 1).contiguous()


class Downsample(nn.Module):
    """(B, H, W, dim) -> (B, H / 2, W / 2, out_dim), sizes rounded up."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.reduction, self.norm = conv_norm(dim, out_dim, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H / 2, W / 2, out_dim)."""
        x = self.norm(self.reduction(x.permute(0, 3, 1, 2)))
        return x.permute(0, 2, 3, 1).contiguous()


class Projection(nn.Module):
    """SiLU(norm(W x)): what stands between the last stage and the pooling."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, out_dim)
        self.norm = TokenBatchNorm(out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H, W, out_dim)."""
        return F.silu(self.norm(self.proj(x)))


class RAVLT(StagedModel):
    """RAVLT as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dims: channels of each stage.
        depths: blocks of each stage.
        num_heads: heads of each stage, of a multiple of 4 channels each.
        layer_scales: initial γ of each stage's blocks.
        mlp_ratio: hidden width of the MLPs over their input's.
        projection: channels of the last map of `forward_features`, which the head reads.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up; the sides of stage i have ceil(size / 2^(i+2))
    tokens. The time of the last two stages is quadratic in their tokens.
    """

    min_size = 32

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        embed_dims: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (1, 2, 4, 8),
        layer_scales: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
        mlp_ratio: float = 3.5,
        projection: int = 1024,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        rates = drop_path_rates(drop_path_rate, depths)
        stages = [
            RAVLTStage(
                [
                    Block(dim, num_heads[i], mlp_ratio, layer_scales[i], i < LINEAR_STAGES, rate)
                    for rate in rates[i]
                ],
                Downsample(dim, embed_dims[i + 1]) if i + 1 < len(embed_dims) else nn.Identity(),
                head_dim=dim // num_heads[i],
            )
            for i, dim in enumerate(embed_dims)
        ]
        super().__init__(
            Stem(in_chans, embed_dims[0]),
            stages,
            embed_dims,
            4,
            in_chans,
            num_classes,
            global_pool,
            drop_rate,
        )
        self.norm = Projection(embed_dims[-1], projection)
        self.num_features = self.head_hidden_size = projection
        self.reset_classifier(num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel; a released file's rotary angles are those that the model computes."""
        for name in [n for n in state_dict if n.startswith(prefix)]:
            if name.endswith('.RoPE.angle'):
                del state_dict[name]
            elif name.endswith(('.gamma_1', '.gamma_2')):
                state_dict[name] = state_dict[name].flatten()
            elif state_dict[name].shape[2:] == (1, 1):
                state_dict[name] = state_dict[name].flatten(1)
        rename_(
            state_dict,
            prefix,
            {
                r'\.norm(\d)\.norm\.': r'.norm\1.',
                r'^proj\.': 'norm.proj.',
                r'^norm\.(?!norm\.|proj\.)': 'norm.norm.',
            },
        )


default_cfgs = generate_default_cfgs(
    {
        f'ravlt_{arch}.in1k': default_cfg(
            first_conv='patch_embed.proj.0',
            classifier='head',
            license='mit',
            origin_url='https://github.com/qhfan/RALA',
        )
        for arch in RAVLT_ARCHS
    }
)


def _create_ravlt(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    return create(RAVLT, f'ravlt_{arch}', pretrained, **{**RAVLT_ARCHS[arch], **kwargs})


@register_model
def ravlt_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """RAVLT-T: 15 M parameters, 2.4 GFLOPs at 224."""
    return _create_ravlt('tiny', pretrained, kwargs)


@register_model
def ravlt_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """RAVLT-S: 26 M parameters, 4.6 GFLOPs at 224."""
    return _create_ravlt('small', pretrained, kwargs)


@register_model
def ravlt_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """RAVLT-B: 48 M parameters, 9.9 GFLOPs at 224."""
    return _create_ravlt('base', pretrained, kwargs)


@register_model
def ravlt_large(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """RAVLT-L: 95 M parameters, 16.0 GFLOPs at 224."""
    return _create_ravlt('large', pretrained, kwargs)
