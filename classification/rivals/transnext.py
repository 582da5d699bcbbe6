"""TransNeXt: a backbone whose tokens attend to those around them and to a pooled image at once.

Source: Shi, "TransNeXt: Robust Foveal Visual Perception for Vision Transformers" (CVPR 2024).
Features are laid out as (B, H, W, C).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from timm.layers import DropPath, trunc_normal_
from timm.models import generate_default_cfgs, register_model, register_notrace_module
from torch import Tensor, nn

from ..models.ops.depthwise import depthwise
from ..models.ops.layout import conv_nhwc, pointwise
from ..models.staged import StagedModel, create, default_cfg, drop_path_rates
from .normed_stage import NormedStage
from .renaming import rename_, stage_rules
from .shifts import shifts

TRANSNEXT_ARCHS: dict[str, dict[str, Any]] = {
    'micro': dict(embed_dims=(48, 96, 192, 384), depths=(2, 2, 15, 2), num_heads=(2, 4, 8, 16)),
    'tiny': dict(embed_dims=(72, 144, 288, 576), depths=(2, 2, 15, 2), num_heads=(3, 6, 12, 24)),
    'small': dict(embed_dims=(72, 144, 288, 576), depths=(5, 5, 22, 5), num_heads=(3, 6, 12, 24)),
    'base': dict(embed_dims=(96, 192, 384, 768), depths=(5, 5, 23, 5), num_heads=(4, 8, 16, 32)),
}
POOLING = (8, 4, 2, 1)  # side of what each stage pools to one token; 1 is attention to all tokens
EPS = 1e-6  # of the layer norms of blocks
Size = tuple[int, int]


class PositionBias(nn.Module):
    """An MLP of the distance between a query and a pooled key, on a logarithmic scale.

    Args:
        num_heads: heads.
        stride: side of a token in pixels.
        pretrain_size: side of the images that distances are measured by, in pixels.
        bias_size: side of the images whose biases are interpolated; None interpolates none.
    """

    def __init__(
        self, num_heads: int, stride: int, pretrain_size: int, bias_size: int | None
    ) -> None:
        super().__init__()
        self.unit = (pretrain_size // stride - 1) / 8
        self.side = bias_size and bias_size // stride
        self.fc1 = nn.Linear(2, 512)
        self.fc2 = nn.Linear(512, num_heads)

    def forward(self, size: Size, pooling: int) -> Tensor:
        """The bias of a map of `size` tokens whose keys are pooled -> (heads, N, pooled N)."""
        if self.side is None:
            return self._at(size, pooled(size, pooling))
        own = (self.side, self.side)
        bias = self._at(own, pooled(own, pooling))  # (heads, N, keys)
        bias = bias.unflatten(2, pooled(own, pooling))
        bias = F.interpolate(bias, pooled(size, pooling), mode='bilinear').flatten(2)
        bias = bias.transpose(1, 2).unflatten(2, own)
        return F.interpolate(bias, size, mode='bilinear').flatten(2).transpose(1, 2)

    def _at(self, size: Size, keys: Size) -> Tensor:
        """(heads, N, keys), from one value of each distance that occurs."""
        (rows, row), (cols, col) = (self._distances(*s) for s in zip(size, keys, strict=True))
        grid = torch.stack(torch.meshgrid(rows, cols, indexing='ij'), dim=-1)
        table = self.fc2(F.relu(self.fc1(grid))).permute(2, 0, 1)
        bias = table[:, row[:, None, :, None], col[None, :, None, :]]
        return bias.flatten(3, 4).flatten(1, 2)

    def _distances(self, size: int, keys: int) -> tuple[Tensor, Tensor]:
        """The scaled distances along an axis, each once, and their index (size, keys)."""
        weight = self.fc1.weight
        # The middle of a bin of adaptive pooling is a half number: doubled, all are integers, and
        # known without reading a tensor.
        bins = np.arange(keys)
        middles = bins * size // keys - (-(bins + 1) * size // keys) - 1
        halves, index = np.unique(2 * np.arange(size)[:, None] - middles, return_inverse=True)
        distances = torch.from_numpy(halves).to(weight.device)
        distances = distances.to(torch.promote_types(weight.dtype, torch.float32)) / 2 / self.unit
        scaled = distances.sign() * (distances.abs() + 1).log2() / 3
        where = torch.from_numpy(index.reshape(size, keys)).to(weight.device)
        return scaled.to(weight.dtype), where


def pooled(size: Size, pooling: int) -> Size:
    """Sides of a pooled map."""
    return size[0] // pooling, size[1] // pooling


def window_scores(q: Tensor, k: Tensor) -> Tensor:
    """q k^T for the 3x3 keys around each query: (B, H, W, heads, d) -> (B, H, W, heads, 9)."""
    return torch.stack([(q * near).sum(dim=-1) for near in shifts(k)], dim=-1)


def window_sums(weights: Tensor, v: Tensor) -> Tensor:
    """The 3x3 values v (B, H, W, heads, d) around each token, weighted (B, H, W, heads, 9)."""
    terms = zip(weights.unsqueeze(-2).unbind(-1), shifts(v), strict=True)
    y: Any = sum(weight * near for weight, near in terms)
    return y


class CosineAttention(nn.Module):
    """What both attentions share: queries and keys of length 1, a temperature and a position bias.

    Args:
        dim: channels.
        num_heads: heads.
        bias: of positions.
    """

    def __init__(self, dim: int, num_heads: int, bias: PositionBias) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.temperature = nn.Parameter(
            torch.full((num_heads, 1, 1), math.log(math.expm1(1 / 0.24)))
        )
        self.query_embedding = nn.Parameter(torch.empty(num_heads, 1, dim // num_heads))
        self.cpb = bias
        self.proj = nn.Linear(dim, dim)
        trunc_normal_(self.query_embedding, std=0.02)

    def scaled(self, q: Tensor, length: Tensor) -> Tensor:
        """(q + embedding) * softplus(temperature) * length for q (B, heads, N, d)."""
        return (q + self.query_embedding) * F.softplus(self.temperature) * length

    def heads(self, x: Tensor, parts: int = 1) -> list[Tensor]:
        """(B, H, W, parts * C) -> `parts` tensors (B, heads, N, d)."""
        x = x.flatten(1, 2).unflatten(-1, (parts, self.num_heads, -1))
        return [y.transpose(1, 2) for y in x.unbind(2)]


class Attention(CosineAttention):
    """Attention to all tokens: softmax((q + e) τ log(N) k^T + bias) v."""

    def __init__(self, dim: int, num_heads: int, bias: PositionBias) -> None:
        super().__init__(dim, num_heads, bias)
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        height, width = x.shape[1:3]
        q, k, v = self.heads(self.qkv(x), parts=3)
        length = torch.tensor(float(height * width), device=x.device).log().to(x.dtype)
        q = self.scaled(F.normalize(q, dim=-1), length).to(v.dtype)
        bias = self.cpb((height, width), 1).to(v.dtype)
        k = F.normalize(k, dim=-1).to(v.dtype)
        y = F.scaled_dot_product_attention(q, k, v, bias, scale=1.0)
        return self.proj(y.transpose(1, 2).flatten(-2).unflatten(1, (height, width)))


class AggregatedAttention(CosineAttention):
    """Attention to the 3x3 tokens around each and to the pooled map, in one softmax.

    To the weights of the 3x3 tokens comes q T + b, with learnable tokens T.

    Args:
        dim: channels.
        num_heads: heads.
        bias: of the positions of pooled keys.
        pooling: side of what is pooled to one token.
    """

    def __init__(self, dim: int, num_heads: int, bias: PositionBias, pooling: int) -> None:
        super().__init__(dim, num_heads, bias)
        self.pooling = pooling
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.sr = nn.Conv2d(dim, dim, 1)
        self.norm = nn.LayerNorm(dim)
        self.relative_pos_bias_local = nn.Parameter(torch.empty(num_heads, 9))
        self.learnable_tokens = nn.Parameter(torch.empty(num_heads, dim // num_heads, 9))
        self.learnable_bias = nn.Parameter(torch.zeros(num_heads, 1, 9))
        trunc_normal_(self.relative_pos_bias_local, std=0.0004)
        trunc_normal_(self.learnable_tokens, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        size = x.shape[1], x.shape[2]
        (q,) = self.heads(self.q(x))
        k, v = self.heads(self.kv(x), parts=2)
        k_pool, v_pool = self.heads(self.kv(self._pool(x)), parts=2)
        q, k, k_pool = (F.normalize(y, dim=-1) for y in (q, k, k_pool))

        inside = torch.stack([*shifts(x.new_ones(1, *size))], dim=-1).flatten(0, 2)  # (N, 9)
        scaled = self.scaled(q, (inside.sum(dim=-1, keepdim=True) + k_pool.shape[2]).log())
        near = _tokens(window_scores(_image(scaled, size), _image(k, size)))
        near = near + self.relative_pos_bias_local[:, None]
        near = near.masked_fill(inside == 0, -torch.inf)
        far = scaled @ k_pool.transpose(-2, -1) + self.cpb(size, self.pooling)
        weights = torch.cat((near, far), dim=-1).softmax(dim=-1).to(v.dtype)
        near, far = weights.split((9, far.shape[-1]), dim=-1)
        near = near + (q @ self.learnable_tokens + self.learnable_bias).to(v.dtype)
        y = window_sums(_image(near, size), _image(v, size)) + _image(far @ v_pool, size)
        return self.proj(y.flatten(-2))

    def _pool(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> the pooled map (B, H / pooling, W / pooling, C), sizes rounded down."""
        y = F.gelu(pointwise(self.sr, x)).permute(0, 3, 1, 2)
        y = F.adaptive_avg_pool2d(y, pooled((x.shape[1], x.shape[2]), self.pooling))
        return self.norm(y.permute(0, 2, 3, 1))


def _image(x: Tensor, size: Size) -> Tensor:
    """(B, heads, N, d) -> (B, H, W, heads, d)."""
    return x.transpose(1, 2).unflatten(1, size)


def _tokens(x: Tensor) -> Tensor:
    """(B, H, W, heads, d) -> (B, heads, N, d)."""
    return x.flatten(1, 2).transpose(1, 2)


class GatedMlp(nn.Module):
    """W_2 (GELU(DWConv(a)) * v) with [a, v] = W_1 x."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 2 * hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        a, v = self.fc1(x).chunk(2, dim=-1)
        return self.fc2(F.gelu(depthwise(self.dwconv, a)) * v)


@register_notrace_module  # sizes are read
class Block(nn.Module):
    """x = x + attention(norm(x));  x = x + MLP(norm(x)).

    Args:
        dim: channels.
        attn: (B, H, W, C) to the same.
        mlp_ratio: the MLP has two thirds of it as hidden width over dim.
        drop_path: stochastic depth.
    """

    def __init__(self, dim: int, attn: nn.Module, mlp_ratio: float, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.mlp = GatedMlp(dim, int(2 * mlp_ratio * dim / 3))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """A strided convolution and a norm, of channels last; the first one takes images.

    Args:
        in_chs, out_chs: channels.
        kernel_size, stride: of the convolution, with "same" padding.
    """

    def __init__(self, in_chs: int, out_chs: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chs, out_chs, kernel_size, stride, kernel_size // 2)
        self.norm = nn.LayerNorm(out_chs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, in_chs) -> (B, H / stride, W / stride, out_chs), sizes rounded up."""
        return self.norm(conv_nhwc(self.proj, x))


class Stem(PatchEmbed):
    """(B, in_chans, H, W) -> (B, H / 4, W / 4, dim), sizes rounded up."""

    def __init__(self, in_chans: int, dim: int) -> None:
        super().__init__(in_chans, dim, kernel_size=7, stride=4)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_chans, H, W) -> (B, H / 4, W / 4, dim)."""
        return super().forward(x.permute(0, 2, 3, 1))


class TransNeXt(StagedModel):
    """TransNeXt as a classifier and as a source of feature maps, with timm's interface.

    The maps of all stages are normalised, as the official dense backbones give them: the last one
    needs no norm before the head, and dense use takes `norm=False`.

    Args:
        in_chans: image channels.
        num_classes: 0 leaves the head out.
        global_pool: 'avg', or '' for per-token outputs (B, H, W, num_classes).
        embed_dims: channels of each stage.
        depths: blocks of each stage.
        num_heads: heads of each stage.
        mlp_ratios: of each stage: hidden width of its MLPs over two thirds of their input's.
        pretrain_size: side of the square images that the position bias has learnt from, from 64 up.
        bias_size: None computes the position bias for each image, beyond what it has learnt from
            where that is larger ("extrapolation"). A size interpolates the bias of square images of
            that side instead, as the official detectors do with 800.
        drop_rate: dropout before the head.
        drop_path_rate: stochastic depth of the last block, rising linearly from 0 at the first.

    Inputs may have any height and width from 32 up; the sides of stage i have ceil(size / 2^(i+2))
    tokens. Time is quadratic in an image's tokens; keys are a 64th, 16th and 4th of them, then all.
    """

    min_size = 32

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        embed_dims: Sequence[int] = (72, 144, 288, 576),
        depths: Sequence[int] = (2, 2, 15, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        mlp_ratios: Sequence[float] = (8.0, 8.0, 4.0, 4.0),
        pretrain_size: int = 224,
        bias_size: int | None = None,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        rates = drop_path_rates(drop_path_rate, depths)

        def attention(i: int) -> nn.Module:
            bias = PositionBias(num_heads[i], 2 ** (i + 2), pretrain_size, bias_size)
            if POOLING[i] == 1:
                return Attention(embed_dims[i], num_heads[i], bias)
            return AggregatedAttention(embed_dims[i], num_heads[i], bias, POOLING[i])

        stages = [
            NormedStage(
                [Block(dim, attention(i), mlp_ratios[i], rate) for rate in rates[i]],
                PatchEmbed(dim, embed_dims[i + 1], kernel_size=3, stride=2)
                if i + 1 < len(embed_dims)
                else nn.Identity(),
                dim,
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
        self.norm = nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.weight[0, 0].numel() * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def no_weight_decay(self) -> set[str]:
        """timm's hook, as in the official recipes of dense tasks."""
        parts = ('query_embedding', 'relative_pos_bias_local', 'cpb', 'temperature')
        return {n for n, _ in self.named_parameters() if any(part in n for part in parts)}

    def rename_released_keys_(self, state_dict: dict[str, Tensor], prefix: str = '') -> None:
        """See StagedModel."""
        rules = {**stage_rules(len(self.layers)), r'\.cpb_fc': '.cpb.fc'}
        rename_(state_dict, prefix, rules)


default_cfgs = generate_default_cfgs(
    {
        f'transnext_{arch}.in1k': default_cfg(
            first_conv='patch_embed.proj',
            classifier='head',
            license='apache-2.0',
            origin_url='https://github.com/DaiShiResearch/TransNeXt',
        )
        for arch in TRANSNEXT_ARCHS
    }
)


def _create_transnext(arch: str, pretrained: bool, kwargs: dict[str, Any]) -> nn.Module:
    arguments = {**TRANSNEXT_ARCHS[arch], **kwargs}
    return create(TransNeXt, f'transnext_{arch}', pretrained, **arguments)


@register_model
def transnext_micro(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """TransNeXt-Micro: 12.8 M parameters, 2.7 GFLOPs at 224."""
    return _create_transnext('micro', pretrained, kwargs)


@register_model
def transnext_tiny(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """TransNeXt-Tiny: 28.2 M parameters, 5.7 GFLOPs at 224."""
    return _create_transnext('tiny', pretrained, kwargs)


@register_model
def transnext_small(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """TransNeXt-Small: 49.7 M parameters, 10.3 GFLOPs at 224."""
    return _create_transnext('small', pretrained, kwargs)


@register_model
def transnext_base(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """TransNeXt-Base: 89.7 M parameters, 18.4 GFLOPs at 224."""
    return _create_transnext('base', pretrained, kwargs)
