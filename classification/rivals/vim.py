"""Vim: a plain backbone whose mixer scans the tokens forwards and backwards.

Source: Zhu et al., "Vision Mamba: Efficient Visual Representation Learning with Bidirectional State
Space Model" (ICML 2024). Parameter names and shapes are those of the released checkpoints.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import DropPath, RmsNorm
from timm.models import generate_default_cfgs, register_model
from torch import Tensor, nn

from ..models.ops.scan import init_delta, inverse_softplus
from ..models.ops.selective_scan import selective_scan
from ..models.staged import default_cfg, drop_path_rates
from .plain import PlainModel, Size, create_plain

STATES = 16  # per channel
TAPS = (5, 11, 17, 23)  # layers whose outputs are the maps of dense models

VIM_ARCHS: dict[str, dict[str, Any]] = {
    'tiny': dict(embed_dim=192),
    'small': dict(embed_dim=384),
    'base': dict(embed_dim=768),
}


class Scan(NamedTuple):
    """The layers and parameters of a scan along one sequence."""

    conv1d: nn.Conv1d
    x_proj: nn.Linear
    dt_proj: nn.Linear
    A_log: Tensor
    D: Tensor


def new_scan(dim: int, inner: int) -> Scan:
    """A scan with Mamba's initial values but for the bias of dt_proj, which is 0."""
    rank = math.ceil(dim / 16)
    dt_proj = nn.Linear(rank, inner)
    nn.init.uniform_(dt_proj.weight, -(rank**-0.5), rank**-0.5)
    nn.init.zeros_(dt_proj.bias)
    return Scan(
        nn.Conv1d(inner, inner, 4, padding=3, groups=inner),
        nn.Linear(inner, rank + 2 * STATES, bias=False),
        dt_proj,
        nn.Parameter(torch.arange(1.0, STATES + 1).log().repeat(inner, 1)),
        nn.Parameter(torch.ones(inner)),
    )


def scan_sequences(sequences: Tensor, scans: Sequence[Scan]) -> Tensor:
    """The selective scan of u = SiLU(causal conv of x) for each sequence x.

    Its arguments are those of Mamba: (r, B, C) = W_x u,  delta = W_dt r + b.

    Args:
        sequences: (B, k, n, channels).
        scans: one for each of the k.

    Returns:
        y, as the sequences.
    """
    n = sequences.shape[2]
    xs = zip(sequences.unbind(1), scans, strict=True)
    us = [F.silu(s.conv1d(x.transpose(1, 2))[..., :n]).transpose(1, 2) for x, s in xs]
    rows = [s.x_proj(u) for u, s in zip(us, scans, strict=True)]
    rank = scans[0].dt_proj.in_features
    delta = [F.linear(p[..., :rank], s.dt_proj.weight) for p, s in zip(rows, scans, strict=True)]
    B, C = torch.stack(rows, dim=1)[..., rank:].chunk(2, dim=-1)
    y = selective_scan(
        torch.stack(us, dim=1),
        torch.stack(delta, dim=1),
        -torch.stack([s.A_log.float().exp() for s in scans]),
        B,
        C,
        torch.stack([s.D for s in scans]),
        torch.stack([s.dt_proj.bias for s in scans]),
    )
    return y.to(sequences.dtype)


def scale_out_proj_(out_proj: nn.Linear, depth: int) -> None:
    """Mamba's initial values of the layer before a shortcut, for `depth` of these."""
    nn.init.kaiming_uniform_(out_proj.weight, a=math.sqrt(5))
    with torch.no_grad():
        out_proj.weight /= math.sqrt(depth)


class Mixer(nn.Module):
    """x, z = W_in h;  out = W_out (mean of both scans of x * SiLU(z)); the names are Mamba's.

    The parameters of the scan backwards have a `b` in their names.
    """

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        inner = 2 * dim
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        forwards, backwards = new_scan(dim, inner), new_scan(dim, inner)
        self.conv1d, self.x_proj, self.dt_proj, self.A_log, self.D = forwards
        self.conv1d_b, self.x_proj_b, self.dt_proj_b, self.A_b_log, self.D_b = backwards
        self.out_proj = nn.Linear(inner, dim, bias=False)
        with torch.no_grad():
            self.dt_proj.bias.copy_(inverse_softplus(init_delta(inner)))
        scale_out_proj_(self.out_proj, depth)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """(B, n, dim) to the same."""
        x, z = self.in_proj(x).chunk(2, dim=-1)
        scans = (
            Scan(self.conv1d, self.x_proj, self.dt_proj, self.A_log, self.D),
            Scan(self.conv1d_b, self.x_proj_b, self.dt_proj_b, self.A_b_log, self.D_b),
        )
        y, y_back = scan_sequences(torch.stack((x, x.flip(1)), dim=1), scans).unbind(1)
        return self.out_proj((y + y_back.flip(1)) / 2 * F.silu(z))


class Layer(nn.Module):
    """x = x + mixer(norm(x)), where the mixer's output alone is the layer's map."""

    def __init__(self, mixer: nn.Module, dim: int, drop_path: float) -> None:
        super().__init__()
        self.norm = RmsNorm(dim, eps=1e-5)
        self.mixer = mixer
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Tokens (B, n, dim) -> those for the next layer, those of the map."""
        y = self.mixer(self.norm(x), size)
        return x + self.drop_path(y), y


class Vim(PlainModel):
    """Vim as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'token', 'avg', or '' for per-token outputs (B, n, num_classes); None takes the
            class token where there is one.
        img_size: images for which `pos_embed` is made: their side, or (height, width).
        stride: of patches of 16x16 pixels; the models fine-tuned with overlapping ones have 8.
        embed_dim: channels.
        depth: layers.
        class_token: False is the official form for dense use, where
            `dict(type='Feature2Pyramid', embed_dim=..., rescales=[4, 2, 1, 0.5])` of mmsegmentation
            makes the pyramid of the four maps; files with a class token load into it.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last layer, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up; a rest of less than a patch is not seen.
    """

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str | None = None,
        img_size: int | Size = 224,
        stride: int = 16,
        embed_dim: int = 192,
        depth: int = 24,
        class_token: bool = True,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        (rates,) = drop_path_rates(drop_path_rate, [depth])
        super().__init__(
            PatchEmbed(in_chans, embed_dim, stride),
            [Layer(Mixer(embed_dim, depth), embed_dim, rate) for rate in rates],
            RmsNorm(embed_dim, eps=1e-5),
            embed_dim,
            ((height - 16) // stride + 1, (width - 16) // stride + 1),
            stride,
            class_token,
            in_chans,
            num_classes,
            global_pool or ('token' if class_token else 'avg'),
            drop_rate,
        )


class PatchEmbed(nn.Module):
    """Patches of 16x16 pixels: (B, in_chans, H, W) -> (B, C, H', W')."""

    def __init__(self, in_chans: int, dim: int, stride: int = 16, pad: bool = False) -> None:
        """With `pad` the image is filled up with zeros at the right and bottom."""
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, 16, stride=stride)
        self.pad = pad

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.pad:
            x = F.pad(x, (0, -x.shape[3] % 16, 0, -x.shape[2] % 16))
        return self.proj(x)


default_cfgs = generate_default_cfgs(
    {
        f'vim_{arch}.in1k': default_cfg(
            first_conv='patch_embed.proj',
            classifier='head',
            license='apache-2.0',
            origin_url='https://github.com/hustvl/Vim',
        )
        for arch in VIM_ARCHS
    }
)


def _create_vim(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    return create_plain(Vim, f'vim_{arch}', pretrained, TAPS, **{**VIM_ARCHS[arch], **kwargs})


@register_model
def vim_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Vim-Ti: 7 M parameters, 1.5 GFLOPs at 224."""
    return _create_vim('tiny', pretrained, kwargs)


@register_model
def vim_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Vim-S: 26 M parameters, 5.1 GFLOPs at 224."""
    return _create_vim('small', pretrained, kwargs)


@register_model
def vim_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Vim-B: 98 M parameters."""
    return _create_vim('base', pretrained, kwargs)
