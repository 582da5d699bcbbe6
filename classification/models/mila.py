"""MILA: Mamba-Inspired Linear Attention, a hierarchical backbone (first published as MLLA).

Source: Han et al., "Demystify Mamba in Vision: A Linear Attention Perspective" (NeurIPS 2024).
Parameter names and shapes are those of the released checkpoints. Between the convolutions
features are laid out as (B, H, W, C); a permuted view of that is channels_last, so that no
layout is ever copied. Maps are public as (B, C, H, W).
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from timm.layers import DropPath, Mlp
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from . import mila_in_chunks, mila_in_maps
from .mila_released import drop_rotary_buffers_, with_rotary_buffers
from .ops.depthwise import depthwise
from .ops.devices import is_plain
from .ops.layer_norm import layer_norm
from .ops.layout import conv_nhwc, pointwise
from .ops.linear_attention import LinearAttention
from .ops.rotary import RotaryTable
from .rotary_stage import RotaryStage
from .staged import StagedModel, create, default_cfg, drop_path_rates

MILA_ARCHS: dict[str, dict[str, Any]] = {
    'tiny': dict(embed_dim=64, depths=(2, 4, 8, 4), num_heads=(2, 4, 8, 16)),
    'small': dict(embed_dim=64, depths=(3, 6, 21, 6), num_heads=(2, 4, 8, 16)),
    'base': dict(embed_dim=96, depths=(3, 6, 21, 6), num_heads=(3, 6, 12, 24)),
}


class ConvLayer(nn.Module):
    """Convolution, then batch norm and ReLU where asked for; "same" padding."""

    def __init__(
        self,
        in_chs: int,
        out_chs: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        norm: bool = True,
        act: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_chs, out_chs, kernel_size, stride, kernel_size // 2, groups=groups, bias=bias
        )
        self.norm = nn.BatchNorm2d(out_chs) if norm else nn.Identity()
        self.act = nn.ReLU(inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chs, H, W) -> (B, out_chs, H / stride, W / stride), sizes rounded up."""
        return self.act(self.norm(self.conv(x)))

    def fuse(self) -> None:
        """Fold the batch norm into the convolution, for inference."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


@register_notrace_module  # what computes it depends on the device
class Stem(nn.Module):
    """Image (B, in_chans, H, W) -> (B, H / 4, W / 4, dim), sizes rounded up."""

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(in_chans, dim // 2, stride=2)
        self.conv2 = nn.Sequential(
            ConvLayer(dim // 2, dim // 2), ConvLayer(dim // 2, dim // 2, act=False)
        )
        self.conv3 = nn.Sequential(
            ConvLayer(dim // 2, dim * 4, stride=2), ConvLayer(dim * 4, dim, 1, act=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, H / 4, W / 4, dim)."""
        x = self.conv1(x.contiguous(memory_format=torch.channels_last))
        x = self.conv2(x) + x
        widen, narrow = cast(Iterable[ConvLayer], self.conv3)
        x = pointwise(narrow.conv, widen(x).permute(0, 2, 3, 1))
        return conv_nhwc(narrow.norm, x).contiguous()


@register_notrace_module  # as above
class Downsample(nn.Module):
    """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim), sizes rounded up."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            ConvLayer(dim, dim * 8, 1, bias=True, norm=False),
            ConvLayer(dim * 8, dim * 8, stride=2, groups=dim * 8, bias=True, norm=False),
            ConvLayer(dim * 8, dim * 2, 1, bias=True, act=False),
        )

    @property
    def layers(self) -> list[ConvLayer]:
        """To eight times the channels, to half of the sides, to twice the channels."""
        return cast(list[ConvLayer], list(self.conv))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim)."""
        widen, halve, narrow = self.layers
        if mila_in_chunks.downsample_fits(self, x):
            x = mila_in_chunks.downsample_in_chunks(self, x)
        else:
            x = depthwise(halve.conv, pointwise(widen.conv, x), before='relu', after='relu')
            x = pointwise(narrow.conv, x)
        return conv_nhwc(narrow.norm, x).contiguous()


@register_notrace_module  # as above
class Block(nn.Module):
    """Mamba's gated block around linear attention, then an MLP; (B, H, W, C) to the same.

    x = x + CPE(x);  x = x + W_o(attention(SiLU(DWConv(W_i x'))) * SiLU(W_a x')),  x' = norm(x)
    x = x + CPE(x);  x = x + MLP(norm(x))
    """

    def __init__(
        self, dim: int, num_heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.cpe1 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim)
        self.in_proj = nn.Linear(dim, dim)
        self.act_proj = nn.Linear(dim, dim)
        self.dwc = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.attn = LinearAttention(dim, num_heads)
        self.out_proj = nn.Linear(dim, dim)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.cpe2 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor, table: RotaryTable) -> Tensor:
        """(B, H, W, C) and the table of H x W positions -> (B, H, W, C)."""
        if mila_in_chunks.block_fits(self, x):
            return mila_in_chunks.block_in_chunks(self, x)
        if mila_in_maps.block_fits(self, x):
            return mila_in_maps.block_in_maps(self, x, table)
        x = depthwise(self.cpe1, x, residual=True)
        y = layer_norm(self.norm1, x)
        gate = self.act_proj(y)
        y = depthwise(self.dwc, self.in_proj(y), after='silu')
        x = x + self.drop_path(self.out_proj(self.attn(y, gate, table)))
        x = depthwise(self.cpe2, x, residual=True)
        return x + self.drop_path(self.mlp(layer_norm(self.norm2, x)))

    def is_plain(self) -> bool:
        """Whether the layers may be read instead of called, see ops.devices.is_plain."""
        layers = [self.cpe1, self.norm1, self.in_proj, self.act_proj, self.dwc, self.out_proj]
        layers += [self.attn.qk, self.attn.lepe, self.cpe2, self.norm2, self.mlp.fc1, self.mlp.fc2]
        return (
            type(self.mlp.act) is nn.GELU
            and is_plain(*layers)
            and is_plain(self.attn, self.mlp, kinds=(LinearAttention, Mlp))
        )


class MILA(StagedModel):
    """MILA as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dim: channels of the first stage, a multiple of 4; each stage has twice the last.
        depths: blocks of each stage.
        num_heads: heads of each stage.
        mlp_ratio: hidden width of the MLPs over their input's.
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
        depths: Sequence[int] = (2, 4, 8, 4),
        num_heads: Sequence[int] = (2, 4, 8, 16),
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        if len(depths) != len(num_heads):
            raise ValueError(f'depths {depths} and num_heads {num_heads} differ in length.')
        widths = [embed_dim * 2**i for i in range(len(depths))]
        rates = drop_path_rates(drop_path_rate, depths)
        stem = Stem(in_chans, embed_dim)
        stages = [
            RotaryStage(
                [Block(width, num_heads[i], mlp_ratio, rate) for rate in rates[i]],
                Downsample(width) if width < widths[-1] else nn.Identity(),
                rotary_dim=width,
            )
            for i, width in enumerate(widths)
        ]
        super().__init__(stem, stages, widths, 4, in_chans, num_classes, global_pool, drop_rate)

    def fuse(self) -> 'MILA':
        """Fold what inference need not compute on its own: batch norms into convolutions.

        In place; training and `load_state_dict` need a new model.

        Returns:
            The model.

        Raises:
            RuntimeError: the model is in training mode.
        """
        if self.training:
            raise RuntimeError('fuse() is for inference: call eval() first.')
        for module in self.modules():
            if isinstance(module, ConvLayer):
                module.fuse()
        return self

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel; released files have one entry per block that the model computes."""
        drop_rotary_buffers_(state_dict, prefix)

    def released_state_dict(self, size: int) -> dict[str, Tensor]:
        """The state dict as in a released file for square images with sides of `size` pixels.

        Raises:
            ValueError: a size that is no multiple of 32.
        """
        return with_rotary_buffers(self, size)


default_cfgs = generate_default_cfgs(
    {
        f'mila_{arch}.in1k': default_cfg(
            first_conv='patch_embed.conv1.conv',
            classifier='head',
            license='mit',
            origin_url='https://github.com/LeapLabTHU/MLLA',
        )
        for arch in MILA_ARCHS
    }
)


def _create_mila(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    return create(MILA, f'mila_{arch}', pretrained, **{**MILA_ARCHS[arch], **kwargs})


@register_model
def mila_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """MILA-T: 24.4 M parameters, 4.2 GFLOPs at 224."""
    return _create_mila('tiny', pretrained, kwargs)


@register_model
def mila_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """MILA-S: 43.0 M parameters, 7.3 GFLOPs at 224."""
    return _create_mila('small', pretrained, kwargs)


@register_model
def mila_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """MILA-B: 96.0 M parameters, 16.2 GFLOPs at 224."""
    return _create_mila('base', pretrained, kwargs)
