"""H-ViT3: a backbone whose attention trains a small network on its keys and values (ViT^3).

Source: Han et al., "ViT^3: Unlocking Test-Time Training in Vision" (CVPR 2026). Parameter names and
shapes are those of the released checkpoints; between the convolutions features are laid out as
(B, H, W, C).
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.layers import DropPath, trunc_normal_
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from torch import Tensor, nn

from ..models.mila import ConvLayer
from ..models.ops.depthwise import depthwise
from ..models.ops.layout import conv_nhwc, pointwise
from ..models.ops.rotary import RotaryTable, rotate
from ..models.rotary_stage import RotaryStage
from ..models.staged import StagedModel, create, default_cfg, drop_path_rates
from .shifts import shifts
from .token_norm import TokenBatchNorm

HVITTT_ARCHS: dict[str, dict[str, Any]] = {
    'tiny': dict(embed_dims=(64, 128, 320, 512), depths=(1, 3, 9, 4)),
    'small': dict(embed_dims=(64, 128, 320, 512), depths=(2, 6, 18, 8)),
    'base': dict(embed_dims=(96, 192, 448, 640), depths=(2, 6, 18, 8)),
}
HEAD_DIM = 32  # channels of a head
SCALE = 1 / 3  # of the loss of the inner training


def train_gated(k: Tensor, v: Tensor, w1: Tensor, w2: Tensor) -> tuple[Tensor, Tensor]:
    """One step of gradient descent of f(k) = (k W_1) * SiLU(k W_2) on -SCALE mean(f(k) v).

    Each column of a gradient is divided by its norm + 1.

    Args:
        k, v: (B, heads, N, d).
        w1, w2: (1, heads, d, d).

    Returns:
        The trained W_1 and W_2, (B, heads, d, d).
    """
    error = v * (-SCALE / v.shape[-2])
    z1, z2 = k @ w1, k @ w2
    gate = z2.sigmoid()
    slope = gate * (1 + z2 * (1 - gate))  # of SiLU
    keys = k.transpose(-2, -1)
    gradients = keys @ (error * z2 * gate), keys @ (error * z1 * slope)
    g1, g2 = (g / (g.norm(dim=-2, keepdim=True) + 1) for g in gradients)
    return w1 - g1, w2 - g2


def train_depthwise(k: Tensor, v: Tensor, w: Tensor) -> Tensor:
    """One step of a 3x3 depthwise convolution f on -SCALE mean(f(k) v).

    The gradient of each kernel is divided by its norm + 1.

    Args:
        k, v: (B, H, W, C).
        w: (C, 1, 3, 3).

    Returns:
        The trained kernels (B, 9, C).
    """
    error = v * (-SCALE / (v.shape[1] * v.shape[2]))
    g = torch.stack([(x * error).sum(dim=(1, 2)) for x in shifts(k)], dim=1)
    return w.flatten(1).T - g / (g.norm(dim=1, keepdim=True) + 1)


class TestTimeTraining(nn.Module):
    """W_o [f(q_1), g(q_2)], of networks f and g that every image trains on its keys and values.

    f(q) = (q W_1) * SiLU(q W_2) per head, g is a 3x3 depthwise convolution of one head's channels;
    W_1, W_2 and the kernels here are where their training starts. Gradients run through it.

    Args:
        dim: channels, a multiple of HEAD_DIM.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_heads = dim // HEAD_DIM
        self.widths = [dim] * 3 + [HEAD_DIM] * 3
        self.qkv = nn.Linear(dim, sum(self.widths))
        self.w1 = nn.Parameter(torch.empty(1, self.num_heads, HEAD_DIM, HEAD_DIM))
        self.w2 = nn.Parameter(torch.empty(1, self.num_heads, HEAD_DIM, HEAD_DIM))
        self.w3 = nn.Parameter(torch.empty(HEAD_DIM, 1, 3, 3))
        self.proj = nn.Linear(dim + HEAD_DIM, dim)
        for weight in (self.w1, self.w2, self.w3):
            trunc_normal_(weight, std=0.02)

    def forward(self, x: Tensor, table: RotaryTable) -> Tensor:
        """x (B, H, W, C) and the table of H x W positions -> (B, H, W, C)."""
        qkv = self.qkv(x).split(self.widths, dim=-1)
        # Half precision would lose what one of many tokens adds to a gradient.
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.promote_types(x.dtype, torch.float32)
            q1, k1, v1, q2, k2, v2 = (y.to(dtype) for y in qkv)
            w1, w2, w3 = (w.to(dtype) for w in (self.w1, self.w2, self.w3))
            q1, k1, v1 = (self._heads(y) for y in (rotate(q1, table), rotate(k1, table), v1))
            w1, w2 = train_gated(k1, v1, w1, w2)
            y1 = (q1 @ w1) * F.silu(q1 @ w2)
            y1 = y1.transpose(1, 2).flatten(-2).unflatten(1, x.shape[1:3])
            kernels = train_depthwise(k2, v2, w3)[:, :, None, None].unbind(1)
            y2: Any = sum(q * w for q, w in zip(shifts(q2), kernels, strict=True))
            y = torch.cat((y1, y2), dim=-1).to(x.dtype)
        return self.proj(y)

    def _heads(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, heads, N, HEAD_DIM)."""
        return x.flatten(1, 2).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class ConvMlp(nn.Module):
    """W_2 GELU(u + DWConv(u)) with u = GELU(W_1 x)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.dwc = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        return self.fc2(F.gelu(depthwise(self.dwc, F.gelu(self.fc1(x)), residual=True)))


@register_notrace_module  # sizes are read
class Block(nn.Module):
    """x = x + CPE(x);  x = x + TTT(norm(x));  x = x + MLP(norm(x))."""

    def __init__(self, dim: int, mlp_ratio: float = 4.0, drop_path: float = 0.0) -> None:
        super().__init__()
        self.cpe = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim)
        self.attn = TestTimeTraining(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = ConvMlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor, table: RotaryTable) -> Tensor:
        """(B, H, W, C) and the table of H x W positions -> (B, H, W, C)."""
        x = depthwise(self.cpe, x, residual=True)
        x = x + self.drop_path(self.attn(self.norm1(x), table))
        return x + self.drop_path(self.mlp(self.norm2(x)))


@register_notrace_module  # as above
class Stem(nn.Module):
    """MILA's stem without its shortcut: (B, in_chans, H, W) -> (B, H / 4, W / 4, dim).

    Sides that are no multiple of 4 get zeros at the end.
    """

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            ConvLayer(in_chans, dim // 2, stride=2),
            ConvLayer(dim // 2, dim // 2),
            ConvLayer(dim // 2, dim // 2),
            ConvLayer(dim // 2, dim * 4, stride=2),
            ConvLayer(dim * 4, dim, 1, act=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, H / 4, W / 4, dim), sizes rounded up."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % 4, 0, -height % 4))
        x = self.conv(x.contiguous(memory_format=torch.channels_last))
        return x.permute(0, 2, 3, 1).contiguous()


@register_notrace_module  # as above
class Downsample(nn.Module):
    """(B, H, W, dim) -> (B, H / 2, W / 2, out_dim); odd sides get a zero at the end."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        hidden = 4 * out_dim
        self.conv = nn.ModuleList(
            (
                ConvLayer(dim, hidden, 1, bias=True, norm=False),
                ConvLayer(hidden, hidden, stride=2, groups=hidden, bias=True, norm=False),
                ConvLayer(hidden, out_dim, 1, bias=True, act=False),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H / 2, W / 2, out_dim), sizes rounded up."""
        height, width = x.shape[1:3]
        x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        widen, halve, narrow = cast(Iterable[ConvLayer], self.conv)
        x = depthwise(halve.conv, pointwise(widen.conv, x), before='relu', after='relu')
        return conv_nhwc(narrow.norm, pointwise(narrow.conv, x)).contiguous()


class HViTTT(StagedModel):
    """H-ViT3 as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dims: channels of each stage, multiples of HEAD_DIM.
        depths: blocks of each stage.
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
        embed_dims: Sequence[int] = (64, 128, 320, 512),
        depths: Sequence[int] = (1, 3, 9, 4),
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        rates = drop_path_rates(drop_path_rate, depths)
        stages = [
            RotaryStage(
                [Block(dim, mlp_ratio, rate) for rate in rates[i]],
                Downsample(dim, embed_dims[i + 1]) if i + 1 < len(embed_dims) else nn.Identity(),
                rotary_dim=dim,
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
        self.norm = TokenBatchNorm(self.num_features)

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel; released files have one entry per block that the model computes."""
        for name in [n for n in state_dict if n.startswith(prefix)]:
            if name.endswith('.rope.rotations'):
                del state_dict[name]


default_cfgs = generate_default_cfgs(
    {
        f'hvittt_{arch}.in1k': default_cfg(
            first_conv='patch_embed.conv.0.conv',
            classifier='head',
            license='mit',
            origin_url='https://github.com/LeapLabTHU/ViTTT',
        )
        for arch in HVITTT_ARCHS
    }
)


def _create_hvittt(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    return create(HViTTT, f'hvittt_{arch}', pretrained, **{**HVITTT_ARCHS[arch], **kwargs})


@register_model
def hvittt_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """H-ViT3-T: 29 M parameters, 4.9 GFLOPs at 224."""
    return _create_hvittt('tiny', pretrained, kwargs)


@register_model
def hvittt_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """H-ViT3-S: 54 M parameters, 8.8 GFLOPs at 224."""
    return _create_hvittt('small', pretrained, kwargs)


@register_model
def hvittt_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """H-ViT3-B: 94 M parameters, 16.7 GFLOPs at 224."""
    return _create_hvittt('base', pretrained, kwargs)
