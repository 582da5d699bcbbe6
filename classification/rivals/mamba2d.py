"""Mamba2D: a scan whose state comes from above and from the left, then attention in later stages.

Source: Baty et al., "Mamba2D: A Natively Multi-Dimensional State-Space Model for Vision Tasks"
(2024). The released checkpoints load as they are; features are laid out as (B, H, W, C).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath, Mlp, trunc_normal_
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from torch import Tensor, nn

from ..models.ops.layout import conv_nhwc
from ..models.ops.rotary import rotary_table, rotate
from ..models.ops.scan import init_delta, inverse_softplus
from ..models.ops.wavefront import wavefront_scan
from ..models.staged import StagedModel, create, default_cfg, drop_path_rates
from .normed_stage import NormedStage
from .renaming import rename_

STATES = 16  # per channel
HEAD = 32  # channels of a head of attention
SCANNING = 2  # stages with scans; later ones have attention

MAMBA2D_ARCHS: dict[str, dict[str, Any]] = {
    'nano': dict(embed_dims=(32, 64, 160, 256), depths=(3, 3, 9, 3)),
    'tiny': dict(embed_dims=(64, 128, 320, 512), depths=(3, 3, 9, 3)),
    'small': dict(embed_dims=(96, 192, 384, 576), depths=(3, 12, 14, 3)),
}


class StarReLU(nn.Module):
    """scale * relu(x)^2 + bias, both learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return self.scale * F.relu(x) ** 2 + self.bias


class SepConv(nn.Module):
    """Inverted separable convolution: linear, StarReLU, 3x3 depthwise, StarReLU, linear."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pwconv1 = nn.Linear(dim, 2 * dim, bias=False)
        self.act1 = StarReLU()
        self.dwconv = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim, bias=False)
        self.act2 = StarReLU()
        self.pwconv2 = nn.Linear(2 * dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) to the same."""
        x = conv_nhwc(self.dwconv, self.act1(self.pwconv1(x)))
        return self.pwconv2(self.act2(x))


@register_notrace_module  # what computes it depends on the device and the size
class Scan2d(nn.Module):
    """W_out GELU(scan(GELU(W_in x))) + SepConv(norm(x)), the scan of `ops.wavefront`.

    With u = GELU(W_in x):  (t, l, B_T, B_L, C) = W_x u,  D_T = softplus(W_T t + b_T),  D_L alike.

    Args:
        dim: channels.
        flip: scan from the last row and column to the first.
    """

    def __init__(self, dim: int, flip: bool) -> None:
        super().__init__()
        self.flip = flip
        self.rank = math.ceil(dim / 16)
        self.in_proj = nn.Linear(dim, dim)
        self.x_proj = nn.Linear(dim, 2 * self.rank + 3 * STATES, bias=False)
        self.dt_projT = nn.Linear(self.rank, dim)
        self.dt_projL = nn.Linear(self.rank, dim)
        A_log = torch.arange(1.0, STATES + 1).log().repeat(dim, 1)
        self.AT_log, self.AL_log = nn.Parameter(A_log.clone()), nn.Parameter(A_log.clone())
        self.D = nn.Parameter(torch.ones(dim))
        self.out_proj = nn.Linear(dim, dim)
        self.local_norm = nn.LayerNorm(dim)
        self.local_path = SepConv(dim)

    def reset_steps(self) -> None:
        """Mamba's initial values, the same biases for both sides."""
        bias = inverse_softplus(init_delta(len(self.D)))
        for layer in (self.dt_projT, self.dt_projL):
            nn.init.uniform_(layer.weight, -(self.rank**-0.5), self.rank**-0.5)
            with torch.no_grad():
                layer.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) to the same."""
        u = F.gelu(self.in_proj(x.flip(1, 2) if self.flip else x))
        sizes = (self.rank, self.rank, STATES, STATES, STATES)
        top, left, B_T, B_L, C = self.x_proj(u).split(sizes, dim=-1)
        wide = torch.promote_types(u.dtype, torch.float32)
        D_T, D_L = (F.softplus(p.to(wide)) for p in (self.dt_projT(top), self.dt_projL(left)))
        A_T, A_L = (-log.to(wide).exp() for log in (self.AT_log, self.AL_log))
        y = wavefront_scan(u, D_T, D_L, A_T, A_L, B_T, B_L, C) + self.D * u
        y = self.out_proj(F.gelu(y.to(u.dtype)))
        return (y.flip(1, 2) if self.flip else y) + self.local_path(self.local_norm(x))


@register_notrace_module  # what computes it depends on the device and the size
class Attention(nn.Module):
    """Softmax attention over all tokens; queries and keys are rotated, then normalised."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.q_norm = nn.LayerNorm(HEAD)
        self.k_norm = nn.LayerNorm(HEAD)
        self.proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) to the same."""
        height, width = x.shape[1:3]
        qkv = self.qkv(x).unflatten(-1, (3, -1, HEAD)).permute(3, 0, 4, 1, 2, 5)
        q, k, v = qkv.flatten(1, 2).unbind(0)  # (B heads, H, W, HEAD)
        table = rotary_table(height, width, HEAD, x.device, x.dtype)
        q, k = self.q_norm(rotate(q, table)), self.k_norm(rotate(k, table))
        q, k, v = (t.flatten(1, 2).unflatten(0, (len(x), -1)) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v.to(q.dtype))
        return self.proj(y.transpose(1, 2).flatten(2).unflatten(1, (height, width)))


class Scale(nn.Module):
    """A learnt factor for each channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same."""
        return x * self.scale


class Block(nn.Module):
    """x = s_1 x + mixer(norm(x));  x = s_2 x + MLP(norm(x))."""

    def __init__(self, dim: int, mixer: nn.Module, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.token_mixer = mixer
        self.res_scale1 = Scale(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.MLP = Mlp(dim, 4 * dim)
        self.res_scale2 = Scale(dim)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) to the same."""
        x = self.res_scale1(x) + self.drop_path(self.token_mixer(self.norm1(x)))
        return self.res_scale2(x) + self.drop_path(self.MLP(self.norm2(x)))


class Downsample(nn.Module):
    """A strided convolution of an image or of features (B, H, W, C), to features."""

    def __init__(self, in_chs: int, out_chs: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_chs, out_chs, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H / stride, W / stride, C')."""
        return conv_nhwc(self.conv, x)


class Stem(Downsample):
    """7x7 convolution of stride 4 and a norm: (B, in_chans, H, W) -> (B, H / 4, W / 4, dim)."""

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__(in_chans, dim, 7, 4, 2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.norm(self.conv(x).permute(0, 2, 3, 1))


class MlpHead(nn.Module):
    """fc2 norm(GELU(fc1 norm(x))) of pooled features (..., dim).

    Args:
        dim: channels.
        num_classes: of the logits.
        kwargs: device and dtype.
    """

    def __init__(self, dim: int, num_classes: int, **kwargs: Any) -> None:
        super().__init__()
        self.pre_norm = nn.LayerNorm(dim, **kwargs)
        self.fc1 = nn.Linear(dim, 4 * dim, **kwargs)
        self.norm = nn.LayerNorm(4 * dim, **kwargs)
        self.fc2 = nn.Linear(4 * dim, num_classes, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., num_classes)."""
        return self.fc2(self.norm(F.gelu(self.fc1(self.pre_norm(x)))))


class Mamba2D(StagedModel):
    """Mamba2D as a classifier and as a source of feature maps, with timm's interface.

    The maps are normalised as they are: dense models need no norms of their own.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dims: channels of each stage, from the third on multiples of 32.
        depths: blocks of each stage; every other one scans from the end.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up. Attention is quadratic in the tokens.
    """

    min_size = 32

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        embed_dims: Sequence[int] = (64, 128, 320, 512),
        depths: Sequence[int] = (3, 3, 9, 3),
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        rates = drop_path_rates(drop_path_rate, depths)
        stages = []
        for i, dim in enumerate(embed_dims):
            blocks = [
                Block(dim, Scan2d(dim, j % 2 == 1) if i < SCANNING else Attention(dim), rate)
                for j, rate in enumerate(rates[i])
            ]
            last = i == len(embed_dims) - 1
            down = nn.Identity() if last else Downsample(dim, embed_dims[i + 1], 3, 2, 1)
            stages.append(NormedStage(blocks, down, dim, eps=1e-5))
        stem = Stem(in_chans, embed_dims[0])
        super().__init__(stem, stages, embed_dims, 4, in_chans, num_classes, global_pool, drop_rate)
        self.norm = nn.Identity()  # the last stage has one
        self.reset_classifier(num_classes)
        for module in self.modules():
            if isinstance(module, Scan2d):
                # StagedModel has initialised its linear layers as all others.
                module.reset_steps()

    def get_classifier(self) -> nn.Module:
        """The last layer of the head, as timm asks for it."""
        return self.head.fc2 if self.num_classes else self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """See StagedModel."""
        super().reset_classifier(num_classes, global_pool)
        if num_classes:
            like = next(self.patch_embed.parameters())
            kwargs = dict(device=like.device, dtype=like.dtype)
            self.head = MlpHead(self.num_features, num_classes, **kwargs)
            for layer in (self.head.fc1, self.head.fc2):
                trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def no_weight_decay(self) -> set[str]:
        """timm's hook."""
        names = ('AT_log', 'AL_log', 'D')
        return {name for name, _ in self.named_parameters() if name.split('.')[-1] in names}

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel: the released files keep what is between stages in a module `ds`."""
        rules = {
            r'^backbone\.': '',
            r'^ds\.stem\.(post_norm\.)?': 'patch_embed.',
            r'^norm\.': 'head.pre_norm.',
            r'^stages\.(\d+)\.\d+\.(weight|bias)$': r'layers.\1.norm.\2',
            r'^stages\.(\d+)\.(\d+)\.': r'layers.\1.blocks.\2.',
        }
        for i in range(3):
            rules[rf'^ds\.ds{i + 1}\.'] = f'layers.{i}.downsample.'
        rename_(state_dict, prefix, rules)


default_cfgs = generate_default_cfgs(
    {
        f'mamba2d_{arch}.in1k': default_cfg(
            first_conv='patch_embed.conv',
            classifier='head.fc2',
            origin_url='https://github.com/cocoalex00/Mamba2D',
        )
        for arch in MAMBA2D_ARCHS
    }
)


def _create_mamba2d(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    sizes = {**MAMBA2D_ARCHS[arch], **kwargs}
    return create(Mamba2D, f'mamba2d_{arch}', pretrained, **sizes)


@register_model
def mamba2d_nano(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Mamba2D-N: 7 M parameters."""
    return _create_mamba2d('nano', pretrained, kwargs)


@register_model
def mamba2d_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Mamba2D-T: 27 M parameters."""
    return _create_mamba2d('tiny', pretrained, kwargs)


@register_model
def mamba2d_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Mamba2D-S: 50 M parameters."""
    return _create_mamba2d('small', pretrained, kwargs)
