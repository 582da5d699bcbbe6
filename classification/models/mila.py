"""MILA: Mamba-Inspired Linear Attention, a hierarchical backbone (first published as MLLA).

Source: Han et al., "Demystify Mamba in Vision: A Linear Attention Perspective" (NeurIPS 2024).
Parameter names and shapes are those of the released checkpoints. Between the convolutions
features are laid out as (B, H, W, C); a permuted view of that is channels_last, so that no
layout is ever copied. Maps are public as (B, C, H, W).
"""

import torch
import torch.nn.functional as F
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import DropPath, Mlp, trunc_normal_
from timm.models import build_model_with_cfg, checkpoint, generate_default_cfgs, register_model
from timm.models._features import feature_take_indices
from torch import nn

from .linear_attention import ROTARY_BUFFER, LinearAttention, rotary_table

ARCHS = {
    'tiny': dict(embed_dim=64, depths=(2, 4, 8, 4), num_heads=(2, 4, 8, 16)),
    'small': dict(embed_dim=64, depths=(3, 6, 21, 6), num_heads=(2, 4, 8, 16)),
    'base': dict(embed_dim=96, depths=(3, 6, 21, 6), num_heads=(3, 6, 12, 24)),
}


class ConvLayer(nn.Module):
    """Convolution, then batch norm and ReLU where asked for; "same" padding."""

    def __init__(self, in_chs, out_chs, kernel_size=3, stride=1, groups=1, bias=False, norm=True,
                 act=True):  # fmt: skip
        super().__init__()
        self.conv = nn.Conv2d(
            in_chs, out_chs, kernel_size, stride, kernel_size // 2, groups=groups, bias=bias
        )
        self.norm = nn.BatchNorm2d(out_chs) if norm else nn.Identity()
        self.act = nn.ReLU() if act else nn.Identity()

    def forward(self, x):
        return self.act(self.norm(self.conv(x)))


class Stem(nn.Module):
    """Image (B, in_chans, H, W) -> (B, H / 4, W / 4, dim), sizes rounded up."""

    def __init__(self, in_chans, dim):
        super().__init__()
        self.conv1 = ConvLayer(in_chans, dim // 2, stride=2)
        self.conv2 = nn.Sequential(
            ConvLayer(dim // 2, dim // 2), ConvLayer(dim // 2, dim // 2, act=False)
        )
        self.conv3 = nn.Sequential(
            ConvLayer(dim // 2, dim * 4, stride=2), ConvLayer(dim * 4, dim, 1, act=False)
        )

    def forward(self, x):
        x = self.conv1(x.contiguous(memory_format=torch.channels_last))
        x = self.conv2(x) + x
        return self.conv3(x).permute(0, 2, 3, 1).contiguous()


class Downsample(nn.Module):
    """(B, H, W, dim) -> (B, H / 2, W / 2, 2 dim), sizes rounded up."""

    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Sequential(
            ConvLayer(dim, dim * 8, 1, bias=True, norm=False),
            ConvLayer(dim * 8, dim * 8, stride=2, groups=dim * 8, bias=True, norm=False),
            ConvLayer(dim * 8, dim * 2, 1, bias=True, act=False),
        )

    def forward(self, x):
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).contiguous()


class Block(nn.Module):
    """Mamba's gated block around linear attention, then an MLP; (B, H, W, C) to the same.

    x = x + CPE(x);  x = x + W_o(attention(SiLU(DWConv(W_i x'))) * SiLU(W_a x')),  x' = norm(x)
    x = x + CPE(x);  x = x + MLP(norm(x))
    """

    def __init__(self, dim, num_heads, mlp_ratio=4.0, drop_path=0.0):
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

    def forward(self, x, table):
        x = x + _conv(self.cpe1, x)
        shortcut = x
        x = self.norm1(x)
        gate = F.silu(self.act_proj(x))
        x = F.silu(_conv(self.dwc, self.in_proj(x)))
        x = self.attn(x, table)
        x = shortcut + self.drop_path(self.out_proj(x * gate))
        x = x + _conv(self.cpe2, x)
        return x + self.drop_path(self.mlp(self.norm2(x)))


def _conv(conv, x):
    """Apply a convolution to features laid out as (B, H, W, C)."""
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Stage(nn.Module):
    """Blocks at one resolution, and the way down to the next one, which the model calls."""

    def __init__(self, dim, depth, num_heads, mlp_ratio, drop_path, downsample):
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(dim, num_heads, mlp_ratio, drop_path[i]) for i in range(depth)
        )
        self.downsample = Downsample(dim) if downsample else nn.Identity()
        self.grad_checkpointing = False

    def forward(self, x):
        """(B, H, W, C) to the same; one rotary table serves all blocks."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        table = rotary_table(*x.shape[1:], x.device, dtype)
        for block in self.blocks:
            if self.grad_checkpointing and self.training:
                x = checkpoint(block, x, table)
            else:
                x = block(x, table)
        return x


class MILA(nn.Module):
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

    Inputs may have any height and width from 32 up; stage i has ceil(size / 2^(i+2)) tokens a side.
    """

    output_fmt = 'NHWC'

    def __init__(self, in_chans=3, num_classes=1000, global_pool='avg', embed_dim=64,
                 depths=(2, 4, 8, 4), num_heads=(2, 4, 8, 16), mlp_ratio=4.0, drop_rate=0.0,
                 drop_path_rate=0.0):  # fmt: skip
        super().__init__()
        if len(depths) != len(num_heads):
            raise ValueError(f'depths {depths} and num_heads {num_heads} differ in length.')
        self.num_classes = num_classes
        self.global_pool = global_pool
        self.in_chans = in_chans
        widths = [embed_dim * 2**i for i in range(len(depths))]
        self.num_features = self.head_hidden_size = widths[-1]
        self.feature_info = [
            dict(num_chs=width, reduction=2 ** (i + 2), module=f'layers.{i}')
            for i, width in enumerate(widths)
        ]
        last = max(sum(depths) - 1, 1)
        rates = iter([drop_path_rate * i / last for i in range(sum(depths))])

        self.patch_embed = Stem(in_chans, embed_dim)
        self.layers = nn.ModuleList(
            Stage(widths[i], depths[i], num_heads[i], mlp_ratio,
                  drop_path=[next(rates) for _ in range(depths[i])],
                  downsample=i < len(depths) - 1)
            for i in range(len(depths))
        )  # fmt: skip
        self.norm = nn.LayerNorm(self.num_features)
        self.head_drop = nn.Dropout(drop_rate)
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        self.apply(_init_weights)
        self.register_load_state_dict_pre_hook(_drop_rotary_buffers)

    def forward_features(self, x):
        """Images (B, in_chans, H, W) -> normalised last map (B, H / 32, W / 32, num_features)."""
        x, _ = self.forward_intermediates(x, indices=1)
        return x

    def forward_head(self, x, pre_logits=False):
        """Last map (B, H, W, C) -> logits (B, num_classes), or pooled features (B, C)."""
        if self.global_pool == 'avg':
            x = x.mean(dim=(1, 2))
        x = self.head_drop(x)
        return x if pre_logits else self.head(x)

    def forward(self, x):
        """Images (B, in_chans, H, W) -> logits (B, num_classes)."""
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(self, x, indices=None, norm=False, stop_early=False,
                              output_fmt='NCHW', intermediates_only=False):  # fmt: skip
        """The maps of chosen stages.

        Args:
            x: images (B, in_chans, H, W).
            indices: stages: a list, a number (the last n) or None (all).
            norm: apply the final norm to the last stage's map in the list (it fits no other).
            stop_early: skip the stages after the last one asked for.
            output_fmt: 'NCHW' or 'NHWC'.
            intermediates_only: return the list of maps alone.

        Returns:
            (last map computed (B, H, W, C), normalised where it is the last stage's, list of maps),
            or the list.

        Raises:
            ValueError: an image side under 32 pixels, or an unknown output_fmt.
        """
        if min(x.shape[-2:]) < 32:
            raise ValueError(f'MILA needs images of at least 32x32, got {tuple(x.shape[-2:])}.')
        if output_fmt not in ('NCHW', 'NHWC'):
            raise ValueError(f"output_fmt is 'NCHW' or 'NHWC', not {output_fmt!r}.")
        wanted, last = feature_take_indices(len(self.layers), indices)
        stages = self.layers[: last + 1] if stop_early else self.layers
        maps = []
        x = self.patch_embed(x)
        for i, stage in enumerate(stages):
            x = stage(x)
            final = i == len(self.layers) - 1
            if i in wanted:
                y = self.norm(x) if norm and final else x
                maps.append(y.permute(0, 3, 1, 2).contiguous() if output_fmt == 'NCHW' else y)
            if i < len(stages) - 1:
                x = stage.downsample(x)
        if intermediates_only:
            return maps
        return (self.norm(x) if final else x), maps

    def prune_intermediate_layers(self, indices=1, prune_norm=False, prune_head=True):
        """Remove the stages, and the norm and head, that the maps at `indices` do not need."""
        wanted, last = feature_take_indices(len(self.layers), indices)
        prune_end = last < len(self.layers) - 1
        if prune_end:
            self.layers = self.layers[: last + 1]
            self.layers[-1].downsample = nn.Identity()
            self.num_features = self.head_hidden_size = self.feature_info[last]['num_chs']
        if prune_norm or prune_end:
            self.norm = nn.Identity()
        if prune_head or prune_end:
            self.reset_classifier(0, '')
        return wanted

    def get_classifier(self):
        return self.head

    def reset_classifier(self, num_classes, global_pool=None):
        """A new head for `num_classes`, on the device and in the dtype of the model."""
        self.num_classes = num_classes
        if global_pool is not None:
            self.global_pool = global_pool
        self.head = nn.Identity()
        if num_classes:
            like = self.patch_embed.conv1.conv.weight
            self.head = nn.Linear(
                self.num_features, num_classes, device=like.device, dtype=like.dtype
            )
            _init_weights(self.head)

    def set_grad_checkpointing(self, enable=True):
        for stage in self.layers:
            stage.grad_checkpointing = enable

    def group_matcher(self, coarse=False):
        """Parameter groups in depth order, for timm's layer-wise learning rates."""
        return dict(
            stem=r'^patch_embed',
            blocks=r'^layers\.(\d+)'
            if coarse
            else [
                (r'^layers\.(\d+)\.blocks\.(\d+)', None),
                (r'^layers\.(\d+)\.downsample', (99,)),
                (r'^norm', (99999,)),
            ],
        )


def _init_weights(module):
    if isinstance(module, nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def _drop_rotary_buffers(module, state_dict, prefix, *args):
    """Released files hold a rotary table a block, for one resolution; ours are made on the fly."""
    for name in [n for n in state_dict if n.startswith(prefix) and n.endswith(ROTARY_BUFFER)]:
        del state_dict[name]


default_cfgs = generate_default_cfgs(
    {
        f'mila_{arch}.in1k': dict(
            # The released files cannot be fetched by a plain request: give one as checkpoint_path.
            url='', num_classes=1000, input_size=(3, 224, 224), pool_size=(7, 7), crop_pct=0.875,
            interpolation='bicubic', mean=IMAGENET_DEFAULT_MEAN, std=IMAGENET_DEFAULT_STD,
            first_conv='patch_embed.conv1.conv', classifier='head', license='mit',
            origin_url='https://github.com/LeapLabTHU/MLLA',
        )
        for arch in ARCHS
    }
)  # fmt: skip


def _create_mila(arch, pretrained, kwargs):
    return build_model_with_cfg(
        MILA,
        f'mila_{arch}',
        pretrained,
        feature_cfg=dict(out_indices=(0, 1, 2, 3), feature_cls='getter'),
        **{**ARCHS[arch], **kwargs},
    )


@register_model
def mila_tiny(pretrained=False, **kwargs):
    """MILA-T: 24.4 M parameters, 4.2 GFLOPs at 224; published ImageNet top-1 83.5 %."""
    return _create_mila('tiny', pretrained, kwargs)


@register_model
def mila_small(pretrained=False, **kwargs):
    """MILA-S: 43.0 M parameters, 7.3 GFLOPs at 224; published ImageNet top-1 84.4 %."""
    return _create_mila('small', pretrained, kwargs)


@register_model
def mila_base(pretrained=False, **kwargs):
    """MILA-B: 96.0 M parameters, 16.2 GFLOPs at 224; published ImageNet top-1 85.3 %."""
    return _create_mila('base', pretrained, kwargs)
