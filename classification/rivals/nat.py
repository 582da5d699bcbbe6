"""NAT and DiNAT: backbones whose tokens attend to those around them, next to them or dilated.

Source: Hassani et al., "Neighborhood Attention Transformer" (CVPR 2023); Hassani and Shi, "Dilated
Neighborhood Attention Transformer" (2022). Features are laid out as (B, H, W, C); parameter names
are those of the released checkpoints, whose `levels` are `layers` here and whose `gamma` is `ls`.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.layers import DropPath, LayerScale, Mlp, trunc_normal_
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from torch import Tensor, nn

from ..models.ops.layout import conv_nhwc
from ..models.staged import Stage, StagedModel, create, default_cfg, drop_path_rates
from .neighbourhood_attention import neighbourhood_attention
from .renaming import rename_

NAT_ARCHS: dict[str, dict[str, Any]] = {
    'mini': dict(embed_dim=64, depths=(3, 4, 6, 5), num_heads=(2, 4, 8, 16), mlp_ratio=3.0),
    'tiny': dict(embed_dim=64, depths=(3, 4, 18, 5), num_heads=(2, 4, 8, 16), mlp_ratio=3.0),
    'small': dict(
        embed_dim=96,
        depths=(3, 4, 18, 5),
        num_heads=(3, 6, 12, 24),
        mlp_ratio=2.0,
        layer_scale=1e-5,
    ),
    'base': dict(
        embed_dim=128,
        depths=(3, 4, 18, 5),
        num_heads=(4, 8, 16, 32),
        mlp_ratio=2.0,
        layer_scale=1e-5,
    ),
}
DINAT_ARCHS: dict[str, dict[str, Any]] = {
    arch: {**sizes, 'dilations': ((1, 8), (1, 4), (1, 2), (1,))}
    for arch, sizes in NAT_ARCHS.items()
}
DINAT_ARCHS['small']['layer_scale'] = None


class NeighbourhoodAttention(nn.Module):
    """W_o softmax(q k^T / sqrt(d) + bias) v over the neighbours of each token.

    Args:
        dim: channels.
        num_heads: heads.
        kernel_size: odd side of the square of neighbours.
        dilation: their distance.
    """

    def __init__(self, dim: int, num_heads: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dilation = dilation
        self.reach = kernel_size * dilation
        self.qkv = nn.Linear(dim, 3 * dim)
        self.rpb = nn.Parameter(torch.empty(num_heads, 2 * kernel_size - 1, 2 * kernel_size - 1))
        self.proj = nn.Linear(dim, dim)
        trunc_normal_(self.rpb, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same.

        Maps with fewer tokens on a side than kernel_size * dilation get zeros at the end of it,
        whose queries, keys and values are the biases of the linear layer.
        """
        height, width = x.shape[1:3]
        down, right = (self._missing(side) for side in (height, width))
        qkv = self.qkv(F.pad(x, (0, 0, 0, right, 0, down)))
        q, k, v = qkv.unflatten(-1, (3, self.num_heads, -1)).unbind(3)
        y = neighbourhood_attention(q, k, v, self.rpb, self.dilation)
        return self.proj(y[:, :height, :width].flatten(-2))

    def _missing(self, side: int) -> int:
        """Tokens that a side lacks; for every size in an exported graph, where `max` picks one."""
        return cast(int, torch.sym_max(self.reach - side, 0))


@register_notrace_module  # sizes are read
class Block(nn.Module):
    """x = x + γ_1 attention(norm(x));  x = x + γ_2 MLP(norm(x)).

    Args:
        dim: channels.
        attn: (B, H, W, C) to the same.
        mlp_ratio: hidden width of the MLP over dim.
        layer_scale: initial γ; None leaves it out.
        drop_path: stochastic depth.
    """

    def __init__(
        self,
        dim: int,
        attn: nn.Module,
        mlp_ratio: float,
        layer_scale: float | None = None,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.ls1, self.ls2 = (
            nn.Identity() if layer_scale is None else LayerScale(dim, layer_scale) for _ in range(2)
        )
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        x = x + self.drop_path(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))


class Stem(nn.Module):
    """(B, in_chans, H, W) -> (B, H / 4, W / 4, dim), sizes rounded up."""

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Conv2d(in_chans, dim // 2, 3, stride=2, padding=1),
            nn.Conv2d(dim // 2, dim, 3, stride=2, padding=1),
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, H / 4, W / 4, dim)."""
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class Downsample(nn.Module):
    """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim), sizes rounded up."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Conv2d(dim, 2 * dim, 3, stride=2, padding=1, bias=False)
        self.norm = nn.LayerNorm(2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim)."""
        return self.norm(conv_nhwc(self.reduction, x))


class NAT(StagedModel):
    """NAT or DiNAT as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dim: channels of the first stage; each stage has twice the last.
        depths: blocks of each stage.
        num_heads: heads of each stage.
        kernel_size: odd side of the square of tokens that a token reads.
        dilations: of each stage's blocks, repeated in a stage of more blocks.
        mlp_ratio: hidden width of the MLPs over their input's.
        layer_scale: initial scale of every branch; None leaves it out.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up; the sides of stage i have ceil(size / 2^(i+2))
    tokens.
    """

    min_size = 32

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        embed_dim: int = 64,
        depths: Sequence[int] = (3, 4, 18, 5),
        num_heads: Sequence[int] = (2, 4, 8, 16),
        kernel_size: int = 7,
        dilations: Sequence[Sequence[int]] = ((1,), (1,), (1,), (1,)),
        mlp_ratio: float = 3.0,
        layer_scale: float | None = None,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        widths = [embed_dim * 2**i for i in range(len(depths))]
        rates = drop_path_rates(drop_path_rate, depths)

        def block(i: int, j: int) -> Block:
            dilation = dilations[i][j % len(dilations[i])]
            attn = NeighbourhoodAttention(widths[i], num_heads[i], kernel_size, dilation)
            return Block(widths[i], attn, mlp_ratio, layer_scale, rates[i][j])

        stages = [
            Stage(
                [block(i, j) for j in range(depths[i])],
                Downsample(width) if width < widths[-1] else nn.Identity(),
            )
            for i, width in enumerate(widths)
        ]
        stem = Stem(in_chans, embed_dim)
        super().__init__(stem, stages, widths, 4, in_chans, num_classes, global_pool, drop_rate)

    def no_weight_decay(self) -> set[str]:
        """timm's hook: the biases of positions are not pulled towards 0."""
        return {name for name, _ in self.named_parameters() if name.endswith('.rpb')}

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel."""
        rename_(state_dict, prefix, {r'^levels\.': 'layers.', r'\.gamma(\d)$': r'.ls\1.gamma'})


default_cfgs = generate_default_cfgs(
    {
        f'{family}_{arch}.in1k': default_cfg(
            first_conv='patch_embed.proj.0',
            classifier='head',
            license='mit',
            origin_url='https://github.com/SHI-Labs/Neighborhood-Attention-Transformer',
        )
        for family in ('nat', 'dinat')
        for arch in NAT_ARCHS
    }
)


def _create_nat(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    return create(NAT, f'nat_{arch}', pretrained, **{**NAT_ARCHS[arch], **kwargs})


def _create_dinat(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    return create(NAT, f'dinat_{arch}', pretrained, **{**DINAT_ARCHS[arch], **kwargs})


@register_model
def nat_mini(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """NAT-Mini: 20 M parameters, 2.7 GFLOPs at 224."""
    return _create_nat('mini', pretrained, kwargs)


@register_model
def nat_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """NAT-Tiny: 28 M parameters, 4.3 GFLOPs at 224."""
    return _create_nat('tiny', pretrained, kwargs)


@register_model
def nat_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """NAT-Small: 51 M parameters, 7.8 GFLOPs at 224."""
    return _create_nat('small', pretrained, kwargs)


@register_model
def nat_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """NAT-Base: 90 M parameters, 13.7 GFLOPs at 224."""
    return _create_nat('base', pretrained, kwargs)


@register_model
def dinat_mini(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """DiNAT-Mini: 20 M parameters, 2.7 GFLOPs at 224."""
    return _create_dinat('mini', pretrained, kwargs)


@register_model
def dinat_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """DiNAT-Tiny: 28 M parameters, 4.3 GFLOPs at 224."""
    return _create_dinat('tiny', pretrained, kwargs)


@register_model
def dinat_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """DiNAT-Small: 51 M parameters, 7.8 GFLOPs at 224."""
    return _create_dinat('small', pretrained, kwargs)


@register_model
def dinat_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """DiNAT-Base: 90 M parameters, 13.7 GFLOPs at 224."""
    return _create_dinat('base', pretrained, kwargs)
