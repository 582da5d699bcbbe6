"""EfficientVMamba: atrous selective scans beside convolutions, then inverted residual blocks.

Source: Pei et al., "EfficientVMamba: Atrous Selective Scan for Light Weight Visual Mamba" (AAAI
2025). The released checkpoints load as they are; features are laid out as (B, H, W, C).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models.swin_transformer import PatchMerging
from torch import Tensor, nn

from ..models.ops.layout import conv_nhwc
from ..models.staged import Stage, StagedModel, create, default_cfg, drop_path_rates
from .localmamba import ChannelGate, SelectiveScans2d, patch_embed, undecayed
from .renaming import rename_

EFFICIENTVMAMBA_ARCHS: dict[str, dict[str, Any]] = {
    'tiny': dict(embed_dim=48, depths=(2, 2, 4, 2)),
    'small': dict(embed_dim=64, depths=(2, 2, 4, 2)),
    'base': dict(embed_dim=96, depths=(2, 2, 9, 2)),
}
SCANNING = 2  # stages with scans; later ones have convolutions alone


@register_notrace_module  # what computes it depends on the device and the size
class AtrousScans2d(SelectiveScans2d):
    """Four scans of every other token, each of which thus sees a quarter of them, once."""

    def split(self, x: Tensor) -> Tensor:
        """The quarters of even and odd rows and columns; those of odd rows go column by column."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        quarters = (
            x[:, ::2, ::2],
            x[:, 1::2, ::2].transpose(1, 2),
            x[:, ::2, 1::2],
            x[:, 1::2, 1::2].transpose(1, 2),
        )
        return torch.stack([q.flatten(1, 2) for q in quarters], dim=1)

    def merge(self, ys: Tensor, height: int, width: int) -> Tensor:
        """Every token back in its place."""
        rows, columns = (height + 1) // 2, (width + 1) // 2
        along_rows = ys[:, ::2].unflatten(2, (rows, columns))
        along_columns = ys[:, 1::2].unflatten(2, (columns, rows)).transpose(2, 3)
        # (B, odd column, rows, columns, odd row, C)
        y = torch.stack((along_rows, along_columns), dim=4)
        y = y.permute(0, 2, 4, 3, 1, 5).flatten(3, 4).flatten(1, 2)
        return y[:, :height, :width]


class ScanBlock(nn.Module):
    """u = norm(x);  x = x + gate(scans(u)) + gate(convolutions(u)), with one gate for both."""

    def __init__(self, dim: int, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.op = AtrousScans2d(dim)
        self.conv_branch = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1, groups=dim),
            nn.BatchNorm2d(dim),
            nn.GELU(),
            nn.Conv2d(dim, dim, 1),
        )
        self.se = ChannelGate(dim)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        u = self.norm(x)
        y = self.se(self.op(u)) + self.se(conv_nhwc(self.conv_branch, u))
        return x + self.drop_path(y)


class InvertedResidual(nn.Module):
    """x = x + W_2 SE(DWConv(W_1 x)), each convolution with batch norm; ReLU but after the last.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018).
    """

    def __init__(self, dim: int, drop_path: float) -> None:
        super().__init__()
        wide = 4 * dim
        self.conv_pw = nn.Sequential(
            nn.Conv2d(dim, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()
        )
        self.conv_dw = nn.Sequential(
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        )
        self.se = SqueezeExcite(wide, rd_channels=max(1, wide // 8))
        self.conv_pw2 = nn.Sequential(nn.Conv2d(wide, dim, 1, bias=False), nn.BatchNorm2d(dim))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        y = self.conv_dw(self.conv_pw(x.permute(0, 3, 1, 2)))
        return x + self.drop_path(self.conv_pw2(self.se(y)).permute(0, 2, 3, 1))


class EfficientVMamba(StagedModel):
    """EfficientVMamba as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dim: channels of the first stage; each stage has twice the last.
        depths: blocks of each stage.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up; a rest of less than 4 pixels is not seen.
    """

    min_size = 32
    top_name = 'classifier'

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        embed_dim: int = 48,
        depths: Sequence[int] = (2, 2, 4, 2),
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        rates = drop_path_rates(drop_path_rate, depths)
        widths = [embed_dim * 2**i for i in range(len(depths))]
        stages = [
            Stage(
                [(ScanBlock if i < SCANNING else InvertedResidual)(width, r) for r in rates[i]],
                PatchMerging(width, 2 * width) if width < widths[-1] else nn.Identity(),
            )
            for i, width in enumerate(widths)
        ]
        stem = patch_embed(in_chans, embed_dim)
        super().__init__(stem, stages, widths, 4, in_chans, num_classes, global_pool, drop_rate)
        self.deepest = max(depths)

    def no_weight_decay(self) -> set[str]:
        """timm's hook."""
        return undecayed(self)

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel: a wrapper's prefix, and the stages without scans as one sequence."""
        rules = {
            r'^(module\.)+': '',
            r'^(layers\.\d+)\.\d+\.(norm|reduction)\.': r'\1.downsample.\2.',
        }
        for j in range(self.deepest):
            rules[rf'^(layers\.\d+)\.{j + 1}\.'] = rf'\1.blocks.{j}.'
        rename_(state_dict, prefix, rules)


default_cfgs = generate_default_cfgs(
    {
        f'efficientvmamba_{arch}.in1k': default_cfg(
            first_conv='patch_embed.0',
            classifier='classifier.head',
            license='apache-2.0',
            origin_url='https://github.com/TerryPei/EfficientVMamba',
        )
        for arch in EFFICIENTVMAMBA_ARCHS
    }
)


def _create_efficientvmamba(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    sizes = {**EFFICIENTVMAMBA_ARCHS[arch], **kwargs}
    return create(EfficientVMamba, f'efficientvmamba_{arch}', pretrained, **sizes)


@register_model
def efficientvmamba_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientVMamba-T: 6 M parameters, 0.8 GFLOPs at 224."""
    return _create_efficientvmamba('tiny', pretrained, kwargs)


@register_model
def efficientvmamba_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientVMamba-S: 11 M parameters, 1.3 GFLOPs at 224."""
    return _create_efficientvmamba('small', pretrained, kwargs)


@register_model
def efficientvmamba_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """EfficientVMamba-B: 33 M parameters, 4.0 GFLOPs at 224."""
    return _create_efficientvmamba('base', pretrained, kwargs)
