"""The empirical study: Swin-T's layout with linear attention, and Mamba's designs as switches.

Source: Han et al., "Demystify Mamba in Vision: A Linear Attention Perspective" (NeurIPS 2024);
layout: Liu et al., "Swin Transformer" (2021); the gates and their initial values: Gu and Dao,
"Mamba" (2023). The paper prints counts, not every width; where it leaves one open, the width here
is what meets the printed parameters and FLOPs, as each place says.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from timm.layers import DropPath, Mlp, to_2tuple, trunc_normal_
from torch import nn

from .linear_attention import rotate
from .scan import DIRECTIONS, first_steps, inverse_softplus, to_image, to_sequence
from .staged import Stage, StagedModel, conv_nhwc, drop_path_rates
from .unified import ForgetGate, unified_attention

BLOCKS = ('attention+mlp', 'gated+mlp', 'gated')
POSITIONS = ('ape', 'lepe', 'cpe', 'rope')


@dataclass(frozen=True)
class Design:
    """The switches of the study; the values given here are the baseline's.

    input_gate: Δ_i ⊙ V_i with Δ = softplus of a low-rank projection.
    forget_gate: Ã_i ⊙ S_{i-1}; needs a scan.
    shortcut: + D ⊙ x_i.
    normalise: divide by Q_i Z_i.
    single_head: one head with the query and key width of one of the baseline's heads.
    block: 'attention+mlp' (Transformer), 'gated+mlp' (Mamba's block for the attention sub-block
        alone) or 'gated' (Mamba's block for both).
    pos: any of POSITIONS: learned absolute tables, a local term on the values, convolutions before
        the sub-blocks, rotary queries and keys.
    scan: () lets every token read all tokens; 'row', 'row_back', 'column' or 'column_back' those
        before it in that order, and several of them take the mean.
    """

    input_gate: bool = False
    forget_gate: bool = False
    shortcut: bool = False
    normalise: bool = True
    single_head: bool = False
    block: str = 'attention+mlp'
    pos: tuple = ()
    scan: tuple = ()

    def __post_init__(self):
        for name, known in (('pos', POSITIONS), ('scan', DIRECTIONS)):
            value = getattr(self, name)
            value = (value,) if isinstance(value, str) else tuple(value or ())
            object.__setattr__(self, name, value)
            if len(set(value)) != len(value) or not set(value) <= set(known):
                raise ValueError(f'{name} takes each of {known} at most once, not {value}.')
        if self.block not in BLOCKS:
            raise ValueError(f'block {self.block!r} is none of {BLOCKS}.')
        if self.forget_gate and not self.scan:
            raise ValueError(
                'forget_gate=True decays from token to token and so combines with a scan, such as '
                "scan=('row',); scan=(), in which every token reads all, takes all other switches."
            )


class UnifiedAttention(nn.Module):
    """The unified operator over an image, its inputs and gates made from it.

    q, k = ELU(x W) + 1 in every row, v = x W (or x itself).

    Args:
        dim: channels of x, v and the result.
        num_heads: must divide dim.
        key_dim: channels of a head's queries and keys.
        rank: inner width of the gates' projection.
        design: switches; `block` and the positions other than LePE are the block's business.
        project_value: v = x W rather than x.
    """

    def __init__(self, dim, num_heads, key_dim, rank, design, project_value):
        super().__init__()
        self.design = design
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.qk = nn.Linear(dim, 2 * num_heads * key_dim)
        self.value = nn.Linear(dim, dim) if project_value else nn.Identity()
        if design.input_gate or design.forget_gate:
            # One Δ serves both gates, as in Mamba.
            self.delta_down = nn.Linear(dim, rank, bias=False)
            self.delta_up = nn.Linear(rank, dim, bias=False)
            self.delta_bias = nn.Parameter(_initial_delta_bias(dim, design.forget_gate))
        if design.forget_gate:
            rate = torch.arange(1, key_dim + 1).log()[:, None]
            self.A_log = nn.Parameter(rate.repeat(num_heads, 1, dim // num_heads))
        if design.shortcut:
            self.D = nn.Parameter(torch.ones(dim))
        if 'lepe' in design.pos:
            self.lepe = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x, table=None):
        """x: (B, H, W, dim), table: from `rotary_table` where positions are rotary."""
        q, k = self.qk(x).chunk(2, dim=-1)
        v = self.value(x)
        # Half precision ends here: features near 0, decays near 1, sums over thousands of tokens.
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.promote_types(x.dtype, torch.float32)
            y = self._attend(*(t.to(dtype) for t in (x, q, k, v)), table).to(x.dtype)
        return y + conv_nhwc(self.lepe, v) if 'lepe' in self.design.pos else y

    @torch.no_grad()
    def attention_map(self, x, query, table=None):
        """The weight of each token's value in what one token reads, for any design.

        The result is linear in the values: those of one token at a time are set to 1.

        Args:
            x: (1, H, W, dim), what `forward` gets.
            query: (row, column) of the token that reads.
            table: as in `forward`.

        Returns:
            (H, W), the mean over channels; without the shortcut, which reads x and not a value.
        """
        height, width = x.shape[1:3]
        values = torch.eye(height * width, dtype=x.dtype, device=x.device)
        values = values.view(-1, height, width, 1).expand(-1, -1, -1, x.shape[-1])
        q, k = (t.expand(len(values), -1, -1, -1) for t in self.qk(x).chunk(2, dim=-1))
        x = x.expand_as(values)
        y = self._attend(x, q, k, values, table)
        if self.design.shortcut:
            y = y - self.D * x
        if 'lepe' in self.design.pos:
            y = y + conv_nhwc(self.lepe, values) - self.lepe.bias
        return y[:, query[0], query[1]].mean(dim=-1).view(height, width)

    @torch.no_grad()
    def decay_map(self, x, query):
        """What the forget gate leaves of each token's memory where one token reads.

        Args:
            x: (1, H, W, dim), what `forward` gets.
            query: (row, column) of the token that reads.

        Returns:
            (H, W): the product of Ã from the token to the query, the mean over the numbers of the
            state and over the orders of the scan; 0 at tokens that come later.
        """
        height, width = x.shape[1:3]
        rate = self.A_log.exp()
        marker = torch.zeros(1, height, width, 1, device=x.device)
        marker[0, query[0], query[1]] = 1
        maps = []
        for order in self.design.scan:
            at = to_sequence(marker, order).argmax()
            steps = self._heads(self._delta(x), order)[0].cumsum(dim=1)  # (heads, N, e)
            since = steps[:, at, None] - steps
            left = torch.exp(-since[:, :, None] * rate[:, None]).mean(dim=(0, 2, 3))
            left[at + 1 :] = 0
            maps.append(to_image(left[None, :, None], order, height, width)[0, ..., 0])
        return sum(maps) / len(maps)

    def _attend(self, x, q, k, v, table):
        q, k = F.elu(q) + 1, F.elu(k) + 1
        height, width = x.shape[1:3]
        if not (self.design.normalise or self.design.forget_gate):
            # Nothing else bounds S, a sum over all tokens. The constant stands in the released
            # code's attention too, where the normalisation makes up for it.
            k = k / (height * width)
        inputs = dict(q=q, k=k, v=v, x=x)
        if self.design.input_gate or self.design.forget_gate:
            inputs['delta'] = self._delta(x)
        if table is not None:
            inputs |= dict(q_rotated=rotate(q, table), k_rotated=rotate(k, table))
        ways = [
            to_image(
                self._scan(**{name: self._heads(t, direction) for name, t in inputs.items()}),
                direction,
                height,
                width,
            )
            for direction in self.design.scan or DIRECTIONS[:1]
        ]
        return sum(ways) / len(ways)

    def _scan(self, q, k, v, x, delta=None, q_rotated=None, k_rotated=None):
        """Tokens in order (B, heads, N, channels) -> what they read (B, N, dim)."""
        design = self.design
        y = unified_attention(
            q,
            k,
            v,
            delta=delta if design.input_gate else None,
            a=ForgetGate(delta, self.A_log.to(q.dtype).exp()) if design.forget_gate else None,
            D=self.D.to(q.dtype).view(self.num_heads, 1, -1) if design.shortcut else None,
            x=x,
            normalise=design.normalise,
            causal=bool(design.scan),
            rotated=None if q_rotated is None else (q_rotated, k_rotated),
        )
        return y.transpose(1, 2).flatten(2)

    def _delta(self, x):
        weights = (self.delta_down.weight, self.delta_up.weight, self.delta_bias)
        down, up, bias = (weight.to(x.dtype) for weight in weights)
        return F.softplus(F.linear(F.linear(x, down), up, bias))

    def _heads(self, x, direction):
        """(B, H, W, C) -> (B, heads, N, C / heads)."""
        return to_sequence(x, direction).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def _initial_delta_bias(dim, forget_gate):
    """Inverse softplus of the first Δ.

    With the forget gate Mamba's. The input gate alone starts at the baseline, Δ = 1.
    """
    return inverse_softplus(first_steps(dim) if forget_gate else torch.ones(dim))


class AttentionMixer(nn.Module):
    """The Transformer's attention sub-block: W_o attention(x), with v = x W_v."""

    def __init__(self, dim, num_heads, key_dim, design):
        super().__init__()
        self.attn = UnifiedAttention(
            dim, num_heads, key_dim, _rank(dim), design, project_value=True
        )
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x, table=None):
        return self.out_proj(self.attn(x, table))


class GatedMixer(nn.Module):
    """Mamba's block: W_o (attention(SiLU(DWConv(W_i x))) ⊙ SiLU(W_a x)), with v the input itself.

    The convolution's width is open in the paper: with 5x5 the table's 31 M parameters and 4.7 G
    FLOPs are met (30.54 M, 4.70 G), with 3x3 they are missed (30.47 M, 4.65 G).
    """

    def __init__(self, dim, num_heads, key_dim, design, expand):
        super().__init__()
        inner = expand * dim
        self.in_proj = nn.Linear(dim, inner)
        self.act_proj = nn.Linear(dim, inner)
        self.dwc = nn.Conv2d(inner, inner, 5, padding=2, groups=inner)
        self.attn = UnifiedAttention(
            inner, num_heads, key_dim, _rank(dim), design, project_value=False
        )
        self.out_proj = nn.Linear(inner, dim)

    def forward(self, x, table=None):
        gate = F.silu(self.act_proj(x))
        x = F.silu(conv_nhwc(self.dwc, self.in_proj(x)))
        return self.out_proj(self.attn(x, table) * gate)


def _rank(dim):
    """Of the gates' projection: Mamba's C / 16, which also meets the table's 29 M."""
    return math.ceil(dim / 16)


def head_sizes(dim, num_heads, design):
    """(heads, query and key channels of a head) for a stage of `dim` channels.

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


class Block(nn.Module):
    """Token mixing and, unless Mamba's block stands for both, an MLP; (B, H, W, C) to the same.

    x = x + APE;  x = x + CPE(x);  x = x + mix(norm(x));  x = x + CPE(x);  x = x + MLP(norm(x))

    `size` is the (height, width) at which APE is learned; other sizes interpolate it. A table for
    every block meets the published 30 M, one for the model would not.
    """

    def __init__(self, dim, num_heads, design, size, mlp_ratio, drop_path):
        super().__init__()
        heads, key_dim = head_sizes(dim, num_heads, design)
        if 'ape' in design.pos:
            self.ape = nn.Parameter(trunc_normal_(torch.empty(1, *size, dim), std=0.02))
        if 'cpe' in design.pos:
            self.cpe1 = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm1 = nn.LayerNorm(dim)
        if design.block == 'attention+mlp':
            self.mixer = AttentionMixer(dim, heads, key_dim, design)
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

    def forward(self, x, table=None):
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

    def _ape(self, height, width):
        if self.ape.shape[1:3] == (height, width):
            return self.ape
        table = self.ape.permute(0, 3, 1, 2)
        return F.interpolate(table, (height, width), mode='bicubic').permute(0, 2, 3, 1)


class PatchEmbed(nn.Module):
    """Image (B, in_chans, H, W) -> (B, H / patch_size, W / patch_size, dim), sizes rounded up."""

    def __init__(self, in_chans, dim, patch_size):
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, patch_size, patch_size)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        size = self.proj.stride[0]
        x = F.pad(x, (0, -x.shape[-1] % size, 0, -x.shape[-2] % size))
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class PatchMerging(nn.Module):
    """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim), sizes rounded up: 2x2 tokens become one."""

    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
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
        patch_size: pixels a token of the first stage.
        embed_dim: channels of the first stage; each stage has twice the last.
        depths: blocks of each stage.
        num_heads: heads of each stage, a divisor of its channels.
        mlp_ratio: hidden width of the MLPs over their input's.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.
        input_gate ... scan: see Design.
    """

    def __init__(
        self,
        in_chans=3,
        num_classes=1000,
        global_pool='avg',
        img_size=224,
        patch_size=4,
        embed_dim=96,
        depths=(2, 2, 6, 2),
        num_heads=(3, 6, 12, 24),
        mlp_ratio=4.0,
        drop_rate=0.0,
        drop_path_rate=0.0,
        input_gate=False,
        forget_gate=False,
        shortcut=False,
        normalise=True,
        single_head=False,
        block='attention+mlp',
        pos=(),
        scan=(),
    ):
        if len(depths) != len(num_heads):
            raise ValueError(f'depths {depths} and num_heads {num_heads} differ in length.')
        design = Design(input_gate, forget_gate, shortcut, normalise, single_head, block, pos, scan)
        widths = [embed_dim * 2**i for i in range(len(depths))]
        rates = drop_path_rates(drop_path_rate, depths)
        stem = PatchEmbed(in_chans, embed_dim, patch_size)
        stages = []
        for i, width in enumerate(widths):
            size = [math.ceil(side / (patch_size * 2**i)) for side in to_2tuple(img_size)]
            stages.append(
                Stage(
                    [Block(width, num_heads[i], design, size, mlp_ratio, r) for r in rates[i]],
                    PatchMerging(width) if width < widths[-1] else nn.Identity(),
                    math.prod(head_sizes(width, num_heads[i], design)) * ('rope' in design.pos),
                )
            )
        super().__init__(
            stem, stages, widths, patch_size, in_chans, num_classes, global_pool, drop_rate
        )
        self.design = design

    def no_weight_decay(self):
        """timm's hook: the gates' rates, and positions, are not pulled towards 0."""
        names = ('A_log', 'delta_bias', 'D', 'ape')
        return {name for name, _ in self.named_parameters() if name.split('.')[-1] in names}
