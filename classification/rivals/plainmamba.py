"""PlainMamba: a plain backbone that scans the image along four snakes, told where each step goes.

Source: Yang et al., "PlainMamba: Improving Non-Hierarchical Mamba in Visual Recognition" (BMVC
2024). The released checkpoints load as they are.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from timm.layers import DropPath, trunc_normal_
from timm.models import generate_default_cfgs, register_model
from torch import Tensor, nn

from ..models.ops.layout import conv_nhwc
from ..models.ops.selective_scan import selective_scan
from ..models.staged import default_cfg, drop_path_rates
from .plain import PlainModel, Size, create_plain
from .renaming import rename_

STATES = 16  # per channel
START, RIGHT, LEFT, UP, DOWN = range(5)  # the move that led to a token

PLAINMAMBA_ARCHS: dict[str, dict[str, Any]] = {
    'l1': dict(embed_dim=192, depth=24, stem_convs=1),
    'l2': dict(embed_dim=384, depth=24, stem_convs=2, conv_layers=()),
    'l3': dict(embed_dim=448, depth=36, stem_convs=2, conv_layers=()),
}


def snake(grid: np.ndarray, moves: Sequence[int], back: bool) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of a grid line by line, every other line backwards, and the moves between them.

    Args:
        grid: (lines, n). The even lines go forwards, with `back` the odd ones.
        moves: along a line forwards and backwards, and to the next line.
        back: from the last line to the first.

    Returns:
        (order, moves), each (lines * n).
    """
    forwards, backwards, across = moves
    reverse = (np.arange(len(grid))[:, None] % 2 == 1) != back
    order = np.where(reverse, grid[:, ::-1], grid)
    steps = np.where(reverse, backwards, forwards).repeat(grid.shape[1], axis=1)
    steps[:, 0] = across
    if back:
        order, steps = order[::-1], steps[::-1]
    steps[0, 0] = START
    return order.reshape(-1), steps.reshape(-1)


@lru_cache(maxsize=32)
def snakes(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The four scans of a map: by rows downwards and upwards, by columns rightwards and leftwards.

    Returns:
        The orders of the tokens, the inverse orders and the moves, each (4, height * width).
    """
    rows = np.arange(height * width).reshape(height, width)
    ways = [
        snake(rows, (RIGHT, LEFT, DOWN), back=False),
        snake(rows, (RIGHT, LEFT, UP), back=True),
        snake(rows.T, (DOWN, UP, RIGHT), back=False),
        snake(rows.T, (DOWN, UP, LEFT), back=True),
    ]
    orders, moves = (np.stack(t) for t in zip(*ways, strict=True))
    return orders, orders.argsort(axis=1), moves


class Mixer(nn.Module):
    """Four selective scans along snakes, their sum gated.

    u, z = W_in x;  u = SiLU(DWConv(u));  (r, B, C) = W_x u;  delta = W_dt r + 2 b;  and
    out = W_out (sum of the scans * SiLU(z)), where a scan adds to each B that of its last move.

    The released weights need two oddities: the bias b counts twice, and the t-th step of a scan has
    delta, B and C of the t-th token of the image, whichever token's u it meets.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        inner, self.rank = 2 * dim, math.ceil(dim / 16)
        self.in_proj = nn.Linear(dim, 2 * inner)
        self.conv2d = nn.Conv2d(inner, inner, 7, padding=3, groups=inner)
        self.x_proj = nn.Linear(inner, self.rank + 2 * STATES, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.A_log = nn.Parameter(torch.arange(1.0, STATES + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.direction_Bs = nn.Parameter(trunc_normal_(torch.empty(5, STATES), std=0.02))
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """(B, n, dim) to the same."""
        u, z = self.in_proj(x).chunk(2, dim=-1)
        u = F.silu(conv_nhwc(self.conv2d, u.unflatten(1, size))).flatten(1, 2)
        r, B, C = self.x_proj(u).split((self.rank, STATES, STATES), dim=-1)
        orders, inverse, moves = (torch.as_tensor(t, device=x.device) for t in snakes(*size))
        us = u.index_select(1, orders.flatten()).unflatten(1, orders.shape)
        delta, C = (t[:, None].expand(-1, 4, -1, -1) for t in (self.dt_proj(r), C))
        B = B[:, None] + self.direction_Bs[moves].to(B.dtype)
        A = -self.A_log.float().exp().expand(4, -1, -1)
        D, bias = (t.expand(4, -1) for t in (self.D, self.dt_proj.bias))
        ys = selective_scan(us, delta, A, B, C, D, bias).to(x.dtype)
        scans = zip(ys.unbind(1), inverse, strict=True)
        y: Any = sum(y.index_select(1, back) for y, back in scans)
        return self.out_proj(y * F.silu(z))


class Layer(nn.Module):
    """x = x + mixer(norm(x)), and with `conv` then x = GELU(BN(DWConv(x)))."""

    def __init__(self, dim: int, conv: bool, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mamba = Mixer(dim)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.dw = None
        if conv:
            self.dw = nn.Sequential(
                nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False),
                nn.BatchNorm2d(dim),
                nn.GELU(),
            )

    def forward(self, x: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Tokens (B, n, dim) -> those for the next layer, which are those of the map too."""
        x = x + self.drop_path(self.mamba(self.norm(x), size))
        if self.dw is not None:
            x = conv_nhwc(self.dw, x.unflatten(1, size)).flatten(1, 2)
        return x, x


class PatchEmbed(nn.Module):
    """A convolutional stem of stride 2, then patches of 8x8 of its map, filled up with zeros."""

    def __init__(self, in_chans: int, dim: int, convs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_chans, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        layers: list[nn.Module] = []
        for _ in range(convs):
            conv = nn.Conv2d(64, 64, 3, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(64), nn.ReLU()]
        self.convs = nn.Sequential(*layers)
        self.projection = nn.Conv2d(64, dim, 8, stride=8)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, dim, H / 16, W / 16), sizes rounded up."""
        x = self.convs(self.stem(x))
        return self.projection(F.pad(x, (0, -x.shape[3] % 8, 0, -x.shape[2] % 8)))


class PlainMamba(PlainModel):
    """PlainMamba as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, n, num_classes).
        img_size: images for which `pos_embed` is made: their side, or (height, width).
        embed_dim: channels.
        depth: layers.
        stem_convs: 3x3 convolutions of the stem.
        conv_layers: layers with a convolution behind the mixer.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last layer, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up.
    """

    norm_name = 'ln1'

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        img_size: int | Size = 224,
        embed_dim: int = 192,
        depth: int = 24,
        stem_convs: int = 1,
        conv_layers: Sequence[int] = (0,),
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        (rates,) = drop_path_rates(drop_path_rate, [depth])
        super().__init__(
            PatchEmbed(in_chans, embed_dim, stem_convs),
            [Layer(embed_dim, i in conv_layers, rate) for i, rate in enumerate(rates)],
            nn.LayerNorm(embed_dim, eps=1e-6),
            embed_dim,
            (-(-height // 16), -(-width // 16)),
            16,
            False,
            in_chans,
            num_classes,
            global_pool,
            drop_rate,
        )
        self.apply(_init_weights)

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See PlainModel: the released files hold a backbone and a head around a layer `fc`."""
        rename_(state_dict, prefix, {r'^backbone\.': '', r'^head\.fc\.': 'head.'})


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


default_cfgs = generate_default_cfgs(
    {
        f'plainmamba_{arch}.in1k': default_cfg(
            first_conv='patch_embed.stem.0',
            classifier='head',
            license='apache-2.0',
            origin_url='https://github.com/ChenhongyiYang/PlainMamba',
        )
        for arch in PLAINMAMBA_ARCHS
    }
)


def _create_plainmamba(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    sizes = {**PLAINMAMBA_ARCHS[arch], **kwargs}
    depth = sizes['depth']  # the maps of dense models are those after each quarter
    taps = [depth * (i + 1) // 4 - 1 for i in range(4)]
    return create_plain(PlainMamba, f'plainmamba_{arch}', pretrained, taps, **sizes)


@register_model
def plainmamba_l1(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """PlainMamba-L1: 7 M parameters without the head, 3.0 GFLOPs at 224."""
    return _create_plainmamba('l1', pretrained, kwargs)


@register_model
def plainmamba_l2(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """PlainMamba-L2: 26 M parameters without the head, 8.1 GFLOPs at 224."""
    return _create_plainmamba('l2', pretrained, kwargs)


@register_model
def plainmamba_l3(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """PlainMamba-L3: 50 M parameters without the head, 14.4 GFLOPs at 224."""
    return _create_plainmamba('l3', pretrained, kwargs)
