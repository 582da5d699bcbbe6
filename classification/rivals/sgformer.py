"""SG-Former: attention to tokens that are merged the more, the less attention they got before.

Source: Ren et al., "SG-Former: Self-guided Transformer with Evolving Token Reallocation" (ICCV
2023). Blocks of the first three stages come in pairs: the first measures the attention that every
token receives (its significance), the second merges tokens by it. Features are laid out as
(B, H, W, C).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath, resample_abs_pos_embed_nhwc
from timm.models import checkpoint, generate_default_cfgs, register_model, register_notrace_module
from timm.models._features import feature_take_indices
from torch import Tensor, nn

from ..models.ops.depthwise import depthwise
from ..models.ops.layout import conv_nhwc
from ..models.staged import StagedModel, create, default_cfg, drop_path_rates
from .normed_stage import NormedStage
from .renaming import rename_, stage_rules

SGFORMER_ARCHS: dict[str, dict[str, Any]] = {
    'small': dict(embed_dims=(64, 128, 256, 512), depths=(2, 4, 16, 1), num_heads=(2, 4, 8, 16)),
    'medium': dict(embed_dims=(64, 128, 256, 512), depths=(2, 6, 28, 2), num_heads=(2, 4, 8, 16)),
    'base': dict(embed_dims=(96, 192, 384, 768), depths=(4, 6, 24, 2), num_heads=(4, 6, 12, 24)),
}
UNIT = 224  # pixels; of what the sides of images are multiples
WINDOW = 7  # tokens, side of a window of local attention
# Of each stage: side of what the first block of a pair pools to one token; how many tokens of each
# class of significance, from the lowest, the second merges to one. None: attention to all tokens.
POOLING = (8, 4, 2, None)
MERGING: tuple[tuple[int, ...], ...] = ((196, 56, 28), (49, 14, 7), (2, 1), ())


class Attention(nn.Module):
    """What all attentions here share: W_o(read(x) + LePE(W_l x)).

    Args:
        dim: channels.
        num_heads: heads.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.lepe_linear = nn.Linear(dim, dim)
        self.lepe_conv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, significance: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Features x (B, H, W, C) and significance (B, H, W) -> the same."""
        y, significance = self.read(x, significance)
        y = y.view(x.shape) + depthwise(self.lepe_conv, self.lepe_linear(x))
        return self.proj(y), significance

    def read(self, x: Tensor, significance: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What the tokens read (B, N, C) or (B, H, W, C), and their significance."""
        raise NotImplementedError

    def heads(self, x: Tensor) -> Tensor:
        """(..., N, channels) -> (..., heads, N, d)."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(-2, -3)


def merge_heads(x: Tensor) -> Tensor:
    """(..., heads, N, d) -> (..., N, channels)."""
    return x.transpose(-2, -3).flatten(-2)


def attend(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """softmax(q k^T / sqrt(d)) v, and the mean attention that each key receives.

    Args:
        q, k, v: (..., heads, N, d) and (..., heads, M, d).

    Returns:
        (..., N, heads * d) and, without gradient, (..., M).
    """
    weights = (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
    return merge_heads(weights @ v), weights.detach().mean(dim=(-3, -2))


class GlobalAttention(Attention):
    """Every token reads all tokens."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__(dim, num_heads)
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)

    def read(self, x: Tensor, significance: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """See Attention."""
        x = x.flatten(1, 2)
        q, (k, v) = self.heads(self.q(x)), self.heads(self.kv(x)).chunk(2, dim=-3)
        return merge_heads(F.scaled_dot_product_attention(q, k, v)), significance


class MeasuringAttention(Attention):
    """Half of the heads read the pooled map, the others a window; both measure significance.

    Args:
        dim, num_heads: as for Attention.
        pooling: side of what is pooled to one token.
    """

    def __init__(self, dim: int, num_heads: int, pooling: int) -> None:
        super().__init__(dim, num_heads)
        self.pooling = pooling
        self.sr = nn.Conv2d(dim, dim, pooling, stride=pooling)
        self.norm = nn.LayerNorm(dim)
        self.q1, self.kv1 = nn.Linear(dim, dim // 2), nn.Linear(dim, dim)
        self.q2, self.kv2 = nn.Linear(dim, dim // 2), nn.Linear(dim, dim)

    def read(self, x: Tensor, significance: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """See Attention; the significance is a new one."""
        wide, received = self._read_pooled(x)
        near, received_near = self._read_windows(x)
        received = received.repeat_interleave(self.pooling, 1).repeat_interleave(self.pooling, 2)
        return torch.cat((wide, near), dim=-1), received + received_near

    def _read_pooled(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pool = F.gelu(self.norm(conv_nhwc(self.sr, x)))
        k, v = self.heads(self.kv1(pool.flatten(1, 2))).chunk(2, dim=-3)
        y, received = attend(self.heads(self.q1(x.flatten(1, 2))), k, v)
        return y.unflatten(1, x.shape[1:3]), received.unflatten(1, pool.shape[1:3])

    def _read_windows(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.unflatten(2, (-1, WINDOW)).unflatten(1, (-1, WINDOW)).transpose(2, 3)
        tokens = x.flatten(3, 4)  # (B, rows of windows, columns, N, C)
        k, v = self.heads(self.kv2(tokens)).chunk(2, dim=-3)
        y, received = attend(self.heads(self.q2(tokens)), k, v)

        def image(z: Tensor) -> Tensor:  # (B, rows, columns, N, channels) -> (B, H, W, channels)
            z = z.unflatten(3, (WINDOW, WINDOW)).transpose(2, 3)
            return z.flatten(3, 4).flatten(1, 2)

        return image(y), image(received[..., None])[..., 0]


class MergingAttention(Attention):
    """Attention to tokens that are merged in the order of their significance.

    Half of the heads read the tokens of the map as they follow each other by rows, the other half
    by columns, which matters among tokens of equal significance.

    Args:
        dim, num_heads: as for Attention.
        group_sizes: tokens that become one, of each class of significance, from the lowest; three
            classes have a quarter, a half and a quarter of all tokens, two a half each.
    """

    def __init__(self, dim: int, num_heads: int, group_sizes: Sequence[int]) -> None:
        super().__init__(dim, num_heads)
        self.group_sizes = group_sizes
        self.q = nn.Linear(dim, dim)
        self.kv1, self.kv2 = nn.Linear(dim, dim), nn.Linear(dim, dim)
        for i, size in enumerate(group_sizes):
            self.add_module(f'f{i + 1}', nn.Linear(size, 1))

    def read(self, x: Tensor, significance: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """See Attention."""
        assert significance is not None  # the block before has measured it
        q = self.heads(self.q(x.flatten(1, 2)))
        by_rows = self.kv1(self.merge(x, significance))
        by_columns = self.kv2(self.merge(x.transpose(1, 2), significance.transpose(1, 2)))
        ways = [self.heads(kv).chunk(2, dim=-3) for kv in (by_rows, by_columns)]
        k, v = (torch.cat(halves, dim=-3) for halves in zip(*ways, strict=True))
        return merge_heads(F.scaled_dot_product_attention(q, k, v)), significance

    def merge(self, x: Tensor, significance: Tensor) -> Tensor:
        """Features (B, H, W, C), significance (B, H, W) -> merged tokens (B, M, C)."""
        order = significance.flatten(1).argsort(dim=1)
        x = x.flatten(1, 2).take_along_dim(order[..., None], dim=1)
        part = x.shape[1] // 4
        sizes = (part, 2 * part, part) if len(self.group_sizes) == 3 else (2 * part, 2 * part)
        merged = [
            self.get_submodule(f'f{i + 1}')(tokens.unflatten(1, (-1, size)).transpose(2, 3))
            for i, (tokens, size) in enumerate(
                zip(x.split(sizes, dim=1), self.group_sizes, strict=True)
            )
        ]
        return torch.cat(merged, dim=1).squeeze(-1)


class ConvMlp(nn.Module):
    """W_2 GELU(u + DWConv(u)) with u = W_1 x."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        return self.fc2(F.gelu(depthwise(self.dwconv, self.fc1(x), residual=True)))


@register_notrace_module  # sizes are read
class Block(nn.Module):
    """x = x + attention(norm(x));  x = x + MLP(norm(x)).

    Args:
        dim: channels.
        attn: features and significance to the same.
        mlp_ratio: hidden width of the MLP over dim.
        drop_path: stochastic depth.
    """

    def __init__(self, dim: int, attn: Attention, mlp_ratio: float, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = ConvMlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor, significance: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Features x (B, H, W, C) and significance (B, H, W) -> the same."""
        y, significance = self.attn(self.norm1(x), significance)
        x = x + self.drop_path(y)
        return x + self.drop_path(self.mlp(self.norm2(x))), significance


class SGStage(NormedStage):
    """A stage whose blocks hand on the tokens' significance."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        significance = None
        for block in self.blocks:
            if self.grad_checkpointing and self.training:
                x, significance = checkpoint(block, x, significance)
            else:
                x, significance = block(x, significance)
        return self.norm(x)


class ConvNorm(nn.Module):
    """A convolution and a norm over all of an image's features."""

    def __init__(
        self, in_chs: int, out_chs: int, kernel_size: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(
            in_chs, out_chs, kernel_size, stride, kernel_size // 2, groups=groups, bias=False
        )
        self.bn = nn.GroupNorm(1, out_chs)  # named as in the released files

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chs, H, W) -> (B, out_chs, H / stride, W / stride), sizes rounded up."""
        return self.bn(self.c(x))


def sincos_positions(side: int, dim: int) -> Tensor:
    """Sines and cosines of the column, then of the row, of side x side tokens: (1, N, dim)."""
    omega = 10000 ** (-torch.arange(dim // 4) / (dim // 4))
    angles = torch.arange(side)[:, None] * omega
    axis = torch.cat((angles.sin(), angles.cos()), dim=1)  # (side, dim / 2)
    cols, rows = axis.expand(side, -1, -1), axis[:, None].expand(-1, side, -1)
    return torch.cat((cols, rows), dim=-1).flatten(0, 1)[None]


@register_notrace_module  # as above
class Stem(nn.Module):
    """Three convolutions and learnable positions: (B, in_chans, H, W) -> (B, H / 4, W / 4, dim)."""

    side = UNIT // 4  # tokens of the images that the positions are for

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            ConvNorm(in_chans, dim, 3, stride=2),
            nn.GELU(),
            ConvNorm(dim, dim, 3),
            nn.GELU(),
            ConvNorm(dim, dim, 3, stride=2),
        )
        self.norm = nn.LayerNorm(dim)
        self.pos_embed = nn.Parameter(sincos_positions(self.side, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, H / 4, W / 4, dim); positions are resampled to any size."""
        x = self.norm(self.conv(x).permute(0, 2, 3, 1))
        positions = self.pos_embed.unflatten(1, (self.side, self.side))
        return x + resample_abs_pos_embed_nhwc(positions, list(x.shape[1:3]))


class Downsample(nn.Module):
    """(B, H, W, dim) -> (B, H / 2, W / 2, out_dim)."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(dim, out_dim)
        self.conv2 = ConvNorm(out_dim, out_dim, 3, stride=2, groups=out_dim)
        self.conv3 = ConvNorm(out_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H / 2, W / 2, out_dim)."""
        x = F.gelu(self.conv1(x.permute(0, 3, 1, 2)))
        return self.conv3(F.gelu(self.conv2(x))).permute(0, 2, 3, 1)


class SGFormer(StagedModel):
    """SG-Former as a classifier and as a source of feature maps, with timm's interface.

    The definition fits images whose sides are multiples of UNIT alone: tokens come in windows and
    are merged in groups of fixed sizes. To others zeros are added on the right and at the bottom,
    and the maps are cut to the image. The official code has no dense backbone, and its classifier
    takes 224x224; positions are resampled here for other sizes.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dims: channels of each stage.
        depths: blocks of each stage.
        num_heads: heads of each stage, an even number.
        mlp_ratio: hidden width of the MLPs over their input's.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.

    Maps are normalised, and have ceil(size / 2^(i+2)) tokens a side in stage i. The order of tokens
    of almost equal significance, and with it the output, depends on rounding.
    """

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        embed_dims: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (2, 4, 16, 1),
        num_heads: Sequence[int] = (2, 4, 8, 16),
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        rates = drop_path_rates(drop_path_rate, depths)

        def attention(i: int, j: int) -> Attention:
            pooling = POOLING[i]
            if pooling is None:
                return GlobalAttention(embed_dims[i], num_heads[i])
            if j % 2 == 0:
                return MeasuringAttention(embed_dims[i], num_heads[i], pooling)
            return MergingAttention(embed_dims[i], num_heads[i], MERGING[i])

        stages = [
            SGStage(
                [Block(dim, attention(i, j), mlp_ratio, rate) for j, rate in enumerate(rates[i])],
                Downsample(dim, embed_dims[i + 1]) if i + 1 < len(embed_dims) else nn.Identity(),
                dim,
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
        self.norm = nn.Identity()

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = 'NCHW',
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """See StagedModel; `norm` changes nothing, since all maps are normalised."""
        size = x.shape[-2:]
        x = F.pad(x, (0, -size[1] % UNIT, 0, -size[0] % UNIT))
        found: Any = super().forward_intermediates(x, indices, norm, stop_early, output_fmt)
        wanted, last = feature_take_indices(len(self.layers), indices)

        def cut(y: Tensor, stage: int, layout: str) -> Tensor:
            rows, cols = (-(-size[axis] // 2 ** (stage + 2)) for axis in (0, 1))
            return y[:, :, :rows, :cols] if layout == 'NCHW' else y[:, :rows, :cols]

        maps = [cut(y, i, output_fmt) for y, i in zip(found[1], sorted(wanted), strict=True)]
        if intermediates_only:
            return maps
        return cut(found[0], last if stop_early else len(self.layers) - 1, 'NHWC'), maps

    def no_weight_decay(self) -> set[str]:
        """timm's hook: the positions (the authors' list names them `pos_embed1`, which is none)."""
        return {'patch_embed.pos_embed'}

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel."""
        rules = {**stage_rules(len(self.layers)), r'^pos_embed$': 'patch_embed.pos_embed'}
        rename_(state_dict, prefix, rules)


default_cfgs = generate_default_cfgs(
    {
        f'sgformer_{arch}.in1k': default_cfg(
            first_conv='patch_embed.conv.0.c',
            classifier='head',
            origin_url='https://github.com/OliverRensu/SG-Former',
        )
        for arch in SGFORMER_ARCHS
    }
)


def _create_sgformer(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    return create(SGFormer, f'sgformer_{arch}', pretrained, **{**SGFORMER_ARCHS[arch], **kwargs})


@register_model
def sgformer_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """SG-Former-S: 22.5 M parameters, 4.8 GFLOPs at 224."""
    return _create_sgformer('small', pretrained, kwargs)


@register_model
def sgformer_medium(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """SG-Former-M: 39 M parameters, 7.5 GFLOPs at 224."""
    return _create_sgformer('medium', pretrained, kwargs)


@register_model
def sgformer_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """SG-Former-B: 78 M parameters, 15.6 GFLOPs at 224."""
    return _create_sgformer('base', pretrained, kwargs)
