"""LocalMamba: LocalVMamba and LocalVim, whose scans also go through windows.

Source: Huang et al., "LocalMamba: Visual State Space Model with Windowed Selective Scan" (ECCV 2024
Workshops). Parameter names and shapes are those of the released checkpoints; features are laid out
as (B, H, W, C).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath, RmsNorm
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from timm.models.swin_transformer import PatchMerging
from torch import Tensor, nn

from ..models.ops.layout import conv_nhwc
from ..models.ops.scan import init_delta, inverse_softplus
from ..models.ops.selective_scan import selective_scan
from ..models.staged import Stage, StagedModel, create, default_cfg, drop_path_rates
from .plain import PlainModel, Size, create_plain, resize_table, with_token, without_token
from .vim import Layer, PatchEmbed, Scan, new_scan, scale_out_proj_, scan_sequences

STATES = 16  # per channel

# Four scans of every block, found by search: rows (h), columns (v) or windows of 2 or 7 tokens a
# side (w2, w7), each also backwards (_flip).
UNSEARCHED = 'h h_flip w2 w2_flip'
VMAMBA_TINY = (
    'h h_flip w7 w7_flip',
    'h_flip v_flip w2 w2_flip',
    'h_flip v_flip w2_flip w7',
    'h_flip v v_flip w2',
    'h h_flip v_flip w2_flip',
    'h_flip v_flip w2 w2_flip',
    'h w2_flip w7 w7_flip',
    'h h_flip v v_flip',
    'h v_flip w7 w7_flip',
    'h_flip v w2 w7_flip',
    'v v_flip w2 w7_flip',
    'h h_flip v_flip w2_flip',
    'v_flip w2_flip w7 w7_flip',
    'h_flip v_flip w2_flip w7_flip',
    'h_flip v w7 w7_flip',
)
VMAMBA_SMALL = (
    'h v v_flip w7_flip',
    'h h_flip v w7',
    'h_flip v v_flip w7',
    'h_flip v w2_flip w7',
    'h_flip v w2_flip w7',
    'h_flip v_flip w2 w7_flip',
    'h_flip v v_flip w7',
    'h v v_flip w7',
    'h v v_flip w7',
    'h v v_flip w7_flip',
    'h h_flip v v_flip',
    'h v v_flip w2',
    'v v_flip w2_flip w7',
    'h h_flip v w2',
    'h_flip v v_flip w7_flip',
    'h h_flip v v_flip',
    'h v v_flip w7_flip',
    'h v v_flip w7_flip',
    'h h_flip v_flip w7',
    'h_flip v_flip w2_flip w7',
    'h_flip v v_flip w7_flip',
    'v v_flip w7 w7_flip',
    'h v v_flip w7_flip',
    'h_flip v v_flip w2',
    'h v v_flip w2_flip',
    'h h_flip v w7',
    'h h_flip w7 w7_flip',
    'h v_flip w2 w2_flip',
    'h v_flip w2 w7',
    'h v v_flip w7_flip',
    'h_flip v w2_flip w7',
    'h_flip v_flip w7 w7_flip',
    'h v w7 w7_flip',
)
VIM_TINY = (
    'h v_flip w7 w7_flip',
    'h_flip w2_flip w7 w7_flip',
    'h h_flip v w7',
    'h h_flip v v_flip',
    'h h_flip v v_flip',
    'h h_flip v v_flip',
    'h_flip v v_flip w7',
    'h_flip v v_flip w2_flip',
    'h h_flip v v_flip',
    'h h_flip v v_flip',
    'h v v_flip w2',
    'h v v_flip w2_flip',
    'h h_flip v_flip w7',
    'h_flip v v_flip w2',
    'h h_flip v v_flip',
    'h v w2 w2_flip',
    'v v_flip w2 w7',
    'h h_flip v w2',
    'h h_flip w2_flip w7',
    'v v_flip w2 w2_flip',
)
VMAMBA_ARCHS: dict[str, dict[str, Any]] = {
    'tiny': dict(depths=(2, 2, 9, 2), directions=VMAMBA_TINY),
    'small': dict(depths=(2, 2, 27, 2), directions=VMAMBA_SMALL),
}
VIM_ARCHS: dict[str, dict[str, Any]] = {
    'tiny': dict(embed_dim=192, directions=VIM_TINY),
    'tiny_midcls': dict(embed_dim=192, directions=VIM_TINY, rotary=0, class_token=True),
    'small': dict(embed_dim=384, directions=()),
}
TAPS = (4, 9, 14, 19)  # layers of LocalVim whose outputs are the maps of dense models


def to_sequence(x: Tensor, direction: str) -> Tensor:
    """Tokens in the order of a scan: (B, H, W, C) -> (B, n, C).

    Windows are those of the map padded with zeros at the right and bottom; the zeros are scanned
    with the rest.

    Args:
        x: the map.
        direction: 'h', 'v' or 'w' and the side of a window, with '_flip' backwards.
    """
    kind, _, flip = direction.partition('_')
    if kind == 'v':
        x = x.transpose(1, 2)
    elif kind != 'h':
        side = int(kind[1:])
        x = F.pad(x, (0, 0, 0, -x.shape[2] % side, 0, -x.shape[1] % side))
        x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3)
    x = x.flatten(1, -2)
    return x.flip(1) if flip else x


def to_image(
    x: Tensor, direction: str, height: int, width: int, official_columns: bool = False
) -> Tensor:
    """The inverse of `to_sequence`: (B, n, C) -> (B, H, W, C).

    Args:
        x: the sequence.
        direction: of the scan.
        height, width: of the map.
        official_columns: put a scan along columns back as the official code does, which confuses
            height with width: no inverse unless they are equal.
    """
    kind, _, flip = direction.partition('_')
    if flip:
        x = x.flip(1)
    if kind == 'v':
        if official_columns:
            x = x.unflatten(1, (height, width)).transpose(1, 2).flatten(1, 2)
            return x.unflatten(1, (height, width))
        return x.unflatten(1, (width, height)).transpose(1, 2)
    if kind != 'h':
        side = int(kind[1:])
        x = x.unflatten(1, (-(-height // side), -(-width // side), side, side)).transpose(2, 3)
        return x.flatten(3, 4).flatten(1, 2)[:, :height, :width]
    return x.unflatten(1, (height, width))


def stack_sequences(sequences: Sequence[Tensor]) -> Tensor:
    """Sequences (B, n_k, C) -> (B, k, max n_k, C): zeros at the end, which no token sees."""
    longest = max(x.shape[1] for x in sequences)
    return torch.stack([F.pad(x, (0, 0, 0, longest - x.shape[1])) for x in sequences], dim=1)


def sequence_length(direction: str, height: int, width: int) -> int:
    """Tokens of a scan, with the zeros that fill up windows."""
    kind = direction.partition('_')[0]
    side = 1 if kind in 'hv' else int(kind[1:])
    return -(-height // side) * -(-width // side) * side**2


def per_block(directions: Sequence[str], blocks: int) -> list[list[str]]:
    """The four directions of every block; UNSEARCHED where the table is empty.

    Raises:
        ValueError: a table for another number of blocks.
    """
    directions = directions or [UNSEARCHED] * blocks
    if len(directions) != blocks:
        raise ValueError(
            f'{blocks} blocks need a row of directions each, not {len(directions)} rows: give '
            'directions=() or a row for each.'
        )
    return [row.split() for row in directions]


@register_notrace_module  # what it averages over depends on the dimensions
class ChannelGate(nn.Module):
    """x * sigmoid(W_2 GELU(W_1 mean(norm(x)))), the mean over the tokens."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.global_reduce = nn.Linear(dim, dim // 8)
        self.channel_select = nn.Linear(dim // 8, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, ..., C) to the same."""
        mean = self.norm(x).mean(dim=tuple(range(1, x.ndim - 1)), keepdim=True)
        return x * self.channel_select(F.gelu(self.global_reduce(mean))).sigmoid()


class SelectiveScans2d(nn.Module):
    """Four selective scans of an image with 16 states per channel; (B, H, W, dim) to the same.

    u, z = W_in x;  u = SiLU(DWConv(u));  out = W_out (norm(y) * SiLU(z)), where y is what `merge`
    makes of the scans of the sequences that `split` makes of u; the scans are VMamba's.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        inner, self.rank = 2 * dim, math.ceil(dim / 16)
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        self.conv2d = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        x_proj = torch.empty(4, self.rank + 2 * STATES, inner)
        self.x_proj_weight = nn.Parameter(x_proj.uniform_(-(inner**-0.5), inner**-0.5))
        dt_projs = torch.empty(4, inner, self.rank)
        self.dt_projs_weight = nn.Parameter(dt_projs.uniform_(-(self.rank**-0.5), self.rank**-0.5))
        self.dt_projs_bias = nn.Parameter(inverse_softplus(init_delta((4, inner))))
        self.A_logs = nn.Parameter(torch.arange(1.0, STATES + 1).log().repeat(4 * inner, 1))
        self.Ds = nn.Parameter(torch.ones(4 * inner))
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, dim, bias=False)

    def split(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, 4, n, C)."""
        raise NotImplementedError

    def merge(self, ys: Tensor, height: int, width: int) -> Tensor:
        """(B, 4, n, C) -> (B, H, W, C)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) to the same."""
        u, z = self.in_proj(x).chunk(2, dim=-1)
        us = self.split(F.silu(conv_nhwc(self.conv2d, u)))
        params = us @ self.x_proj_weight.transpose(1, 2)
        r, B, C = params.split((self.rank, STATES, STATES), dim=-1)
        delta = r @ self.dt_projs_weight.transpose(1, 2)
        A = -self.A_logs.float().exp().unflatten(0, (4, -1))
        D = self.Ds.unflatten(0, (4, -1))
        ys = selective_scan(us, delta, A, B, C, D, self.dt_projs_bias).to(x.dtype)
        y = self.merge(ys, *x.shape[1:3])
        return self.out_proj(self.out_norm(y) * F.silu(z))


@register_notrace_module  # what computes it depends on the device and the size
class LocalScans2d(SelectiveScans2d):
    """Scans in four directions, summed after a channel gate that all share."""

    def __init__(self, dim: int, directions: Sequence[str], official_columns: bool) -> None:
        super().__init__(dim)
        self.directions = directions
        self.official_columns = official_columns
        self.multi_scan = nn.ModuleDict(dict(attn=ChannelGate(2 * dim)))

    def split(self, x: Tensor) -> Tensor:
        """See SelectiveScans2d."""
        return stack_sequences([to_sequence(x, direction) for direction in self.directions])

    def merge(self, ys: Tensor, height: int, width: int) -> Tensor:
        """See SelectiveScans2d."""
        gate = self.multi_scan['attn']
        total: Any = 0
        for y, direction in zip(ys.unbind(1), self.directions, strict=True):
            y = y[:, : sequence_length(direction, height, width)]
            total = total + gate(to_image(y, direction, height, width, self.official_columns))
        return total


class Block(nn.Module):
    """x = x + scans(norm(x))."""

    def __init__(self, op: nn.Module, dim: int, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.op = op
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        return x + self.drop_path(self.op(self.norm(x)))


class ToNHWC(nn.Module):
    """(B, C, H, W) -> (B, H, W, C), for stacks of layers."""

    def forward(self, x: Tensor) -> Tensor:
        """The same values."""
        return x.permute(0, 2, 3, 1)


def patch_embed(in_chans: int, dim: int) -> nn.Sequential:
    """Patches of 4x4 pixels: (B, in_chans, H, W) -> (B, H / 4, W / 4, dim), sizes rounded down."""
    return nn.Sequential(nn.Conv2d(in_chans, dim, 4, stride=4), ToNHWC(), nn.LayerNorm(dim))


def undecayed(model: nn.Module) -> set[str]:
    """Names of the parameters that weight decay leaves alone: rates, shortcuts and step sizes."""
    names = ('A_logs', 'Ds', 'dt_projs_bias')
    return {name for name, _ in model.named_parameters() if name.split('.')[-1] in names}


class LocalVMamba(StagedModel):
    """LocalVMamba as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dim: channels of the first stage; each stage has twice the last.
        depths: blocks of each stage.
        directions: for each block four names with spaces between, see `to_sequence`; () takes
            rows and windows of 2 in all.
        official_columns: scans along columns as in the official code, see `to_image`. The released
            detectors and segmentors were trained with it, on maps that are not square.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up; a rest of less than 4 pixels is not seen.

    Raises:
        ValueError: directions for another number of blocks.
    """

    min_size = 32
    top_name = 'classifier'

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 9, 2),
        directions: Sequence[str] = VMAMBA_TINY,
        official_columns: bool = False,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        rows = iter(per_block(directions, sum(depths)))
        rates = drop_path_rates(drop_path_rate, depths)
        widths = [embed_dim * 2**i for i in range(len(depths))]
        stages = [
            Stage(
                [
                    Block(LocalScans2d(width, next(rows), official_columns), width, rate)
                    for rate in rates[i]
                ],
                PatchMerging(width, 2 * width) if width < widths[-1] else nn.Identity(),
            )
            for i, width in enumerate(widths)
        ]
        stem = patch_embed(in_chans, embed_dim)
        super().__init__(stem, stages, widths, 4, in_chans, num_classes, global_pool, drop_rate)

    def no_weight_decay(self) -> set[str]:
        """timm's hook."""
        return undecayed(self)


class LocalScans(nn.Module):
    """x, z = W_in h for every direction's sequence;  out = W_out sum of gate(scan of x * SiLU(z)).

    The k-th direction's layers and parameters have `_k` in their names. A class token stands in the
    middle of every sequence.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        directions: Sequence[str],
        class_token: bool,
        official_columns: bool,
    ) -> None:
        super().__init__()
        inner = 2 * dim
        self.directions = directions
        self.class_token = class_token
        self.official_columns = official_columns
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        for k in range(len(directions)):
            for name, value in new_scan(dim, inner)._asdict().items():
                setattr(self, f'{name}_{k}', value)
        self.out_proj = nn.Linear(inner, dim, bias=False)
        self.attn = ChannelGate(inner)
        scale_out_proj_(self.out_proj, depth)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """(B, n, dim) to the same."""
        xz = self.in_proj(x)
        tokens = without_token(xz) if self.class_token else xz
        middle = tokens.shape[1] // 2
        sequences = [to_sequence(tokens.unflatten(1, size), d) for d in self.directions]
        if self.class_token:
            token = xz[:, middle : middle + 1]
            sequences = [torch.cat((s[:, :middle], token, s[:, middle:]), dim=1) for s in sequences]
        x, z = stack_sequences(sequences).chunk(2, dim=-1)
        scans = [
            Scan(*(getattr(self, f'{name}_{k}') for name in Scan._fields))
            for k in range(len(self.directions))
        ]
        ys = scan_sequences(x, scans) * F.silu(z)
        total: Any = 0
        for y, direction in zip(ys.unbind(1), self.directions, strict=True):
            total = total + self.attn(self._to_tokens(y, direction, size, middle))
        return self.out_proj(total)

    def _to_tokens(self, y: Tensor, direction: str, size: Size, middle: int) -> Tensor:
        """A sequence (B, n, C), filled up with zeros, to tokens in the order of the image."""
        token = y[:, middle : middle + 1]
        if self.class_token:
            y = torch.cat((y[:, :middle], y[:, middle + 1 :]), dim=1)
        y = y[:, : sequence_length(direction, *size)]
        y = to_image(y, direction, *size, self.official_columns).flatten(1, 2)
        return with_token(y, token) if self.class_token else y


class LocalVim(PlainModel):
    """LocalVim as a classifier and as a source of feature maps, with timm's interface.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'token', 'avg', or '' for per-token outputs (B, n, num_classes); None takes the
            class token where there is one.
        img_size: images for which positions are made: their side, or (height, width).
        embed_dim: channels.
        depth: layers.
        directions: for each layer four names with spaces between, see `to_sequence`; () takes
            rows and windows of 2 in all.
        rotary: before every layer the tokens are rotated by their positions, which run from 0 to
            this number over `img_size`; 0 leaves that out. Multiples of 4 channels only.
        class_token: whether there is one, in the middle of the tokens.
        official_columns: as for LocalVMamba.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last layer, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up.

    Raises:
        ValueError: directions for another number of layers.
    """

    angles_cos: Tensor
    angles_sin: Tensor

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str | None = None,
        img_size: int | Size = 224,
        embed_dim: int = 192,
        depth: int = 20,
        directions: Sequence[str] = VIM_TINY,
        rotary: int = 14,
        class_token: bool = False,
        official_columns: bool = False,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        grid = (-(-height // 16), -(-width // 16))
        rows = per_block(directions, depth)
        (rates,) = drop_path_rates(drop_path_rate, [depth])
        super().__init__(
            PatchEmbed(in_chans, embed_dim, pad=True),
            [
                Layer(
                    LocalScans(embed_dim, depth, row, class_token, official_columns),
                    embed_dim,
                    rate,
                )
                for row, rate in zip(rows, rates, strict=True)
            ],
            RmsNorm(embed_dim, eps=1e-5),
            embed_dim,
            grid,
            16,
            class_token,
            in_chans,
            num_classes,
            global_pool or ('token' if class_token else 'avg'),
            drop_rate,
        )
        self.rotary = rotary
        if rotary:
            angles = rotary_angles(grid, embed_dim, rotary)
            self.register_buffer('angles_cos', angles.cos(), persistent=False)
            self.register_buffer('angles_sin', angles.sin(), persistent=False)

    def run_layer(self, layer: nn.Module, x: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """See PlainModel; the tokens are rotated before."""
        if self.rotary:
            tables = (self.angles_cos, self.angles_sin)
            cos, sin = (resize_table(t, self.grid, size).to(x.dtype) for t in tables)
            even, odd = x[..., ::2], x[..., 1::2]
            x = x * cos + torch.stack((-odd, even), dim=-1).flatten(-2) * sin
        return super().run_layer(layer, x, size)

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See PlainModel; tables of angles are not parameters here."""
        super().rename_released_keys_(state_dict, prefix)
        for name in ('rope.freqs_cos', 'rope.freqs_sin'):
            state_dict.pop(prefix + name, None)


def rotary_angles(grid: Size, dim: int, last: int) -> Tensor:
    """Angles (1, n, dim) of every token's channels: rows for the first half, columns for the rest.

    Two neighbouring channels have one angle, position * 10000^(-2t / (dim / 2)).
    """
    half = dim // 2
    speeds = 10000.0 ** (-torch.arange(0, half, 2)[: half // 2].float() / half)
    rows, columns = (torch.arange(n) / n * last for n in grid)
    tables = [torch.outer(p, speeds).repeat_interleave(2, dim=1) for p in (rows, columns)]
    height, width = grid
    rows, columns = tables[0][:, None].expand(-1, width, -1), tables[1].expand(height, -1, -1)
    return torch.cat((rows, columns), dim=-1).flatten(0, 1)[None]


def _cfg(first_conv: str, classifier: str) -> dict[str, Any]:
    return default_cfg(
        first_conv=first_conv,
        classifier=classifier,
        license='apache-2.0',
        origin_url='https://github.com/hunto/LocalMamba',
    )


default_cfgs = generate_default_cfgs(
    {
        **{
            f'localvmamba_{arch}.in1k': _cfg('patch_embed.0', 'classifier.head')
            for arch in VMAMBA_ARCHS
        },
        **{f'localvim_{arch}.in1k': _cfg('patch_embed.proj', 'head') for arch in VIM_ARCHS},
    }
)


def _create_localvmamba(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    sizes = {**VMAMBA_ARCHS[arch], **kwargs}
    return create(LocalVMamba, f'localvmamba_{arch}', pretrained, **sizes)


@register_model
def localvmamba_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """LocalVMamba-T: 26 M parameters, 5.7 GFLOPs at 224."""
    return _create_localvmamba('tiny', pretrained, kwargs)


@register_model
def localvmamba_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """LocalVMamba-S: 50 M parameters, 11.4 GFLOPs at 224."""
    return _create_localvmamba('small', pretrained, kwargs)


def _create_localvim(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    sizes = {**VIM_ARCHS[arch], **kwargs}
    return create_plain(LocalVim, f'localvim_{arch}', pretrained, TAPS, **sizes)


@register_model
def localvim_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """LocalVim-T: 8 M parameters, 1.5 GFLOPs at 224."""
    return _create_localvim('tiny', pretrained, kwargs)


@register_model
def localvim_tiny_midcls(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """LocalVim-T with a class token and without rotation: 8 M parameters."""
    return _create_localvim('tiny_midcls', pretrained, kwargs)


@register_model
def localvim_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """LocalVim-S: 28 M parameters, 4.8 GFLOPs at 224."""
    return _create_localvim('small', pretrained, kwargs)
