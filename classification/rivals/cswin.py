"""CSWin: attention within vertical stripes in half of the channels, horizontal ones in the other.

Source: Dong et al., "CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped
Windows" (CVPR 2022). Features are laid out as (B, H, W, C).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath, Mlp
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from torch import Tensor, nn

from ..models.ops.depthwise import depthwise
from ..models.ops.layout import conv_nhwc
from ..models.staged import Stage, StagedModel, create, default_cfg, drop_path_rates
from .renaming import rename_

CSWIN_ARCHS: dict[str, dict[str, Any]] = {
    'tiny': dict(embed_dim=64, depths=(1, 2, 21, 1), num_heads=(2, 4, 8, 16)),
    'small': dict(embed_dim=64, depths=(2, 4, 32, 2), num_heads=(2, 4, 8, 16)),
    'base': dict(embed_dim=96, depths=(2, 4, 32, 2), num_heads=(4, 8, 16, 32)),
}


class StripeAttention(nn.Module):
    """softmax(q k^T / sqrt(d)) v + LePE(v) within stripes, outside of which LePE sees zeros.

    Maps that are no whole number of stripes get zeros on both sides, which are read as other
    tokens are.

    Args:
        dim: channels.
        num_heads: heads.
        stripe: height and width of a stripe; 0 is that of the map.
    """

    def __init__(self, dim: int, num_heads: int, stripe: tuple[int, int]) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.stripe = stripe
        self.get_v = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v (B, H, W, C) -> (B, H, W, C)."""
        height, width = q.shape[1:3]
        h, w = self.stripe[0] or height, self.stripe[1] or width
        top, left = (-height % h) // 2, (-width % w) // 2
        padding = (0, 0, left, -width % w - left, top, -height % h - top)

        def stripes(x: Tensor) -> Tensor:  # (B, rows of stripes, columns of stripes, h, w, C)
            x = F.pad(x, padding)
            return x.unflatten(2, (-1, w)).unflatten(1, (-1, h)).transpose(2, 3)

        def heads(x: Tensor) -> Tensor:  # (stripes, heads, h w, d)
            return x.flatten(3, 4).flatten(0, 2).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

        q, k, v = stripes(q), stripes(k), stripes(v)
        y = F.scaled_dot_product_attention(heads(q), heads(k), heads(v))
        y = y.transpose(1, 2).flatten(-2).view(v.shape)
        y = y + depthwise(self.get_v, v.flatten(0, 2)).view(v.shape)
        y = y.transpose(2, 3).flatten(1, 2).flatten(2, 3)
        return y[:, top : top + height, left : left + width]


@register_notrace_module  # sizes are read
class Block(nn.Module):
    """x = x + attention(norm(x));  x = x + MLP(norm(x)).

    Args:
        dim: channels.
        num_heads: heads of all branches together.
        split: short side of the stripes; 0 makes one branch, over the whole map.
        mlp_ratio: hidden width of the MLP over dim.
        drop_path: stochastic depth.
    """

    def __init__(
        self, dim: int, num_heads: int, split: int, mlp_ratio: float = 4.0, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        shapes = ((0, split), (split, 0)) if split else ((0, 0),)
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attns = nn.ModuleList(
            StripeAttention(dim // len(shapes), num_heads // len(shapes), shape) for shape in shapes
        )
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, len(self.attns), -1)).unbind(-2)
        y = torch.cat(
            [attn(*p.unbind(-2)) for attn, p in zip(self.attns, qkv, strict=True)], dim=-1
        )
        x = x + self.drop_path(self.proj(y))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Stem(nn.Module):
    """(B, in_chans, H, W) -> (B, H / 4, W / 4, dim)."""

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, 7, stride=4, padding=2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, floor((H + 1) / 4), floor((W + 1) / 4), dim)."""
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class Merge(nn.Module):
    """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim), sizes rounded up."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, 2 * dim, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim)."""
        return self.norm(conv_nhwc(self.conv, x))


class CSWin(StagedModel):
    """CSWin as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dim: channels of the first stage; each stage has twice the last.
        depths: blocks of each stage.
        num_heads: heads of each stage, even where there are two branches.
        splits: short side of each stage's stripes in tokens; 0 is the whole map, as in the last.
        mlp_ratio: hidden width of the MLPs over their input's.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up. The first stage has floor((size + 1) / 4)
    tokens a side, each later one half of the last, rounded up. The last stage's time is quadratic
    in its tokens.
    """

    min_size = 32

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        embed_dim: int = 64,
        depths: Sequence[int] = (1, 2, 21, 1),
        num_heads: Sequence[int] = (2, 4, 8, 16),
        splits: Sequence[int] = (1, 2, 7, 0),
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        widths = [embed_dim * 2**i for i in range(len(depths))]
        rates = drop_path_rates(drop_path_rate, depths)
        stages = [
            Stage(
                [Block(width, num_heads[i], splits[i], mlp_ratio, rate) for rate in rates[i]],
                Merge(width) if width < widths[-1] else nn.Identity(),
            )
            for i, width in enumerate(widths)
        ]
        stem = Stem(in_chans, embed_dim)
        super().__init__(stem, stages, widths, 4, in_chans, num_classes, global_pool, drop_rate)

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel."""
        stages = range(len(self.layers))
        rename_(
            state_dict,
            prefix,
            {
                r'^stage1_conv_embed\.0\.': 'patch_embed.proj.',
                r'^stage1_conv_embed\.2\.': 'patch_embed.norm.',
                **{rf'^stage{i + 1}\.(\d+)\.': rf'layers.{i}.blocks.\1.' for i in stages},
                **{rf'^merge{i + 1}\.': f'layers.{i}.downsample.' for i in stages},
            },
        )


default_cfgs = generate_default_cfgs(
    {
        f'cswin_{arch}.in1k': default_cfg(
            first_conv='patch_embed.proj',
            classifier='head',
            license='mit',
            origin_url='https://github.com/microsoft/CSWin-Transformer',
        )
        for arch in CSWIN_ARCHS
    }
)


def _create_cswin(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    return create(CSWin, f'cswin_{arch}', pretrained, **{**CSWIN_ARCHS[arch], **kwargs})


@register_model
def cswin_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """CSWin-T: 23 M parameters, 4.3 GFLOPs at 224."""
    return _create_cswin('tiny', pretrained, kwargs)


@register_model
def cswin_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """CSWin-S: 35 M parameters, 6.9 GFLOPs at 224."""
    return _create_cswin('small', pretrained, kwargs)


@register_model
def cswin_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """CSWin-B: 78 M parameters, 15.0 GFLOPs at 224."""
    return _create_cswin('base', pretrained, kwargs)
