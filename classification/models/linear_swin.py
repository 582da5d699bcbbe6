"""The empirical study's models: Swin-T's layout with linear attention and Mamba's designs.

Source: Han et al., "Demystify Mamba in Vision: A Linear Attention Perspective" (NeurIPS 2024);
layout: Liu et al., "Swin Transformer" (2021). The paper prints counts, not every width; where it
leaves one open, the width here is what meets the printed parameters and FLOPs, as each place says.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import DropPath, Mlp, to_2tuple, trunc_normal_
from timm.models import register_notrace_module
from torch import Tensor, nn

from .design import Design
from .ops.devices import exporting
from .ops.layout import conv_nhwc
from .ops.rotary import RotaryTable
from .rotary_stage import RotaryStage
from .staged import Stage, StagedModel, drop_path_rates
from .unified_attention import UnifiedAttention


class AttentionMixer(nn.Module):
    """The Transformer's attention sub-block: W_o attention(x), with v = x W_v."""

    def __init__(self, dim: int, num_heads: int, key_dim: int, design: Design) -> None:
        super().__init__()
        self.attn = UnifiedAttention(
            dim, num_heads, key_dim, _rank(dim), design, project_value=True
        )
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, table: RotaryTable | None = None) -> Tensor:
        """(B, H, W, dim) to the same."""
        return self.out_proj(self.attn(x, table))


class GatedMixer(nn.Module):
    """Mamba's block: W_o (attention(SiLU(DWConv(W_i x))) ⊙ SiLU(W_a x)), with v the input itself.

    The convolution's width is open in the paper: with 5x5 the table's 31 M parameters and 4.7 G
    FLOPs are met (30.54 M, 4.70 G), with 3x3 they are missed (30.47 M, 4.65 G).
    """

    def __init__(self, dim: int, num_heads: int, key_dim: int, design: Design, expand: int) -> None:
        super().__init__()
        inner = expand * dim
        self.in_proj = nn.Linear(dim, inner)
        self.act_proj = nn.Linear(dim, inner)
        self.dwc = nn.Conv2d(inner, inner, 5, padding=2, groups=inner)
        self.attn = UnifiedAttention(
            inner, num_heads, key_dim, _rank(dim), design, project_value=False
        )
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, x: Tensor, table: RotaryTable | None = None) -> Tensor:
        """(B, H, W, dim) to the same."""
        gate = F.silu(self.act_proj(x))
        x = F.silu(conv_nhwc(self.dwc, self.in_proj(x)))
        return self.out_proj(self.attn(x, table) * gate)


def _rank(dim: int) -> int:
    """Rank of the gates' projection: Mamba's C / 16, which also meets the table's 29 M."""
    return math.ceil(dim / 16)


def head_sizes(dim: int, num_heads: int, design: Design) -> tuple[int, int]:
    """(heads, query and key channels per head) for a stage of `dim` channels.

    Raises:
        ValueError: heads that do not divide, or rotary channels that are not whole pairs.
    """
    if dim % num_heads:
        raise ValueError(
            f'{dim} channels do not divide into num_heads={num_heads}: choose a divisor.'
        )
    key_dim = dim // num_heads
    if design.block == 'gated':
        # Mamba's expansion of 2 with queries and keys of 1.5 C makes 12 C² weights, as many as the
        # attention and MLP that the block replaces: the table's 28 M and 4.7 G.
        key_dim = key_dim * 3 // 2
    heads = 1 if design.single_head else num_heads
    if 'rope' in design.pos and heads * key_dim % 4:
        raise ValueError(
            f"pos 'rope' turns pairs for rows and columns and needs a multiple of 4 query channels,"
            f' not {heads * key_dim}: change embed_dim or num_heads.'
        )
    return heads, key_dim


@register_notrace_module  # sizes are read
class Block(nn.Module):
    """Token mixing and, unless Mamba's block stands for both, an MLP.

    x = x + APE;  x = x + CPE(x);  x = x + mix(norm(x));  x = x + CPE(x);  x = x + MLP(norm(x))

    `size` is the (height, width) at which APE is learned; other sizes interpolate it. A table for
    every block meets the published 30 M, one for the model would not.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        design: Design,
        size: Sequence[int],
        mlp_ratio: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        heads, key_dim = head_sizes(dim, num_heads, design)
        if 'ape' in design.pos:
            self.ape = nn.Parameter(trunc_normal_(torch.empty(1, *size, dim), std=0.02))
        if 'cpe' in design.pos:
            self.cpe1 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim)
        if design.block == 'attention+mlp':
            self.mixer: AttentionMixer | GatedMixer = AttentionMixer(dim, heads, key_dim, design)
        else:
            expand = 2 if design.block == 'gated' else 1
            self.mixer = GatedMixer(dim, heads, key_dim, design, expand)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.has_mlp = design.block != 'gated'
        if self.has_mlp:
            if 'cpe' in design.pos:
                self.cpe2 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
            self.norm2 = nn.LayerNorm(dim)
            self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.pos = design.pos

    def forward(self, x: Tensor, table: RotaryTable | None = None) -> Tensor:
        """(B, H, W, dim) to the same; table: from a RotaryStage."""
        if 'ape' in self.pos:
            x = x + self._ape(*x.shape[1:3]).to(x.dtype)
        if 'cpe' in self.pos:
            x = x + conv_nhwc(self.cpe1, x)
        x = x + self.drop_path(self.mixer(self.norm1(x), table))
        if not self.has_mlp:
            return x
        if 'cpe' in self.pos:
            x = x + conv_nhwc(self.cpe2, x)
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _ape(self, height: int, width: int) -> Tensor:
        # A graph is for any size; at its own one the table is interpolated to itself.
        if not exporting() and self.ape.shape[1:3] == (height, width):
            return self.ape
        table = self.ape.permute(0, 3, 1, 2)
        return F.interpolate(table, (height, width), mode='bicubic').permute(0, 2, 3, 1)


class PatchEmbed(nn.Module):
    """Image (B, in_chans, H, W) -> (B, H / patch_size, W / patch_size, dim), sizes rounded up."""

    def __init__(self, in_chans: int, dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, patch_size, patch_size)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, H / patch_size, W / patch_size, dim)."""
        size = self.proj.stride[0]
        x = F.pad(x, (0, -x.shape[-1] % size, 0, -x.shape[-2] % size))
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class PatchMerging(nn.Module):
    """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim), sizes rounded up: 2x2 tokens become one."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim)."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        x = x.unflatten(1, (-1, 2)).unflatten(3, (-1, 2))  # (B, H / 2, 2, W / 2, 2, C)
        return self.reduction(self.norm(x.permute(0, 1, 3, 4, 2, 5).flatten(3)))


class LinearSwin(StagedModel):
    """Swin's layout with linear attention, Swin-T's sizes by default; any image size.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        img_size: pixels at which APE is learned, a number or (height, width).
        patch_size: side of a token of the first stage, in pixels.
        embed_dim: channels of the first stage; each stage has twice the last.
        depths: blocks of each stage.
        num_heads: heads of each stage, a divisor of its channels.
        mlp_ratio: hidden width of the MLPs over their input's.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.
        input_gate ... reach: see Design.
    """

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        img_size: int | tuple[int, int] = 224,
        patch_size: int = 4,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        input_gate: bool = False,
        forget_gate: bool = False,
        shortcut: bool = False,
        normalise: bool = True,
        single_head: bool = False,
        block: str = 'attention+mlp',
        pos: str | Sequence[str] = (),
        scan: str | Sequence[str] = (),
        reach: int | None = None,
    ) -> None:
        if len(depths) != len(num_heads):
            raise ValueError(f'depths {depths} and num_heads {num_heads} differ in length.')
        switches = (input_gate, forget_gate, shortcut, normalise, single_head, block)
        design = Design(*switches, pos, scan, reach)  # type: ignore[arg-type]  # it makes tuples of both
        widths = [embed_dim * 2**i for i in range(len(depths))]
        rates = drop_path_rates(drop_path_rate, depths)
        stem = PatchEmbed(in_chans, embed_dim, patch_size)
        stages: list[Stage] = []
        for i, width in enumerate(widths):
            size = [math.ceil(side / (patch_size * 2**i)) for side in to_2tuple(img_size)]
            blocks = [Block(width, num_heads[i], design, size, mlp_ratio, r) for r in rates[i]]
            downsample = PatchMerging(width) if width < widths[-1] else nn.Identity()
            if 'rope' in design.pos:
                rotary_dim = math.prod(head_sizes(width, num_heads[i], design))
                stages.append(RotaryStage(blocks, downsample, rotary_dim))
            else:
                stages.append(Stage(blocks, downsample))
        super().__init__(
            stem, stages, widths, patch_size, in_chans, num_classes, global_pool, drop_rate
        )
        self.design = design
        self._sizes: dict[str, Any] = dict(
            img_size=img_size,
            patch_size=patch_size,
            embed_dim=embed_dim,
            depths=depths,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
        )

    def with_design(self, **changes: Any) -> 'LinearSwin':
        """A model of the same weights, shared with this one, and other switches.

        Args:
            changes: fields of Design; the weights of a switch that goes off are left out.

        Raises:
            ValueError: the changed design needs weights, or shapes of them, that are not here.
        """
        design = replace(self.design, **changes)
        with torch.device('meta'):
            model = LinearSwin(
                self.in_chans, self.num_classes, self.global_pool, **self._sizes, **asdict(design)
            )
        own = self.state_dict()
        shapes = {name: value.shape for name, value in model.state_dict().items()}
        if unfit := [n for n in shapes if n not in own or own[n].shape != shapes[n]]:
            raise ValueError(
                f'{changes} needs other weights than the model has ({unfit[0]}): '
                'train a model of that design.'
            )
        model.load_state_dict({name: own[name] for name in shapes}, assign=True)
        return model.train(self.training)

    def no_weight_decay(self) -> set[str]:
        """timm's hook: the gates' rates, and positions, are not pulled towards 0."""
        names = ('A_log', 'delta_bias', 'D', 'ape')
        return {name for name, _ in self.named_parameters() if name.split('.')[-1] in names}
