"""PlainMamba with a ViT-Adapter, which makes it a source of maps of four resolutions.

Source: Chen et al., "Vision Transformer Adapter for Dense Predictions" (ICLR 2023), on Yang et al.,
"PlainMamba" (BMVC 2024); deformable attention: Zhu et al., "Deformable DETR" (ICLR 2021). Parameter
names and shapes are those of the official detectors.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.layers import trunc_normal_
from torch import Tensor, nn

from .plain import Size
from .plainmamba import PLAINMAMBA_ARCHS, PlainMamba

HEADS = dict(l1=6, l2=6, l3=8)
PLAINMAMBA_ADAPTER_ARCHS: dict[str, dict[str, Any]] = {
    arch: dict(sizes, heads=HEADS[arch]) for arch, sizes in PLAINMAMBA_ARCHS.items()
}


def _conv(in_chs: int, out_chs: int, stride: int = 1) -> tuple[nn.Module, nn.Module, nn.Module]:
    conv = nn.Conv2d(in_chs, out_chs, 3, stride, 1, bias=False)
    return conv, nn.BatchNorm2d(out_chs), nn.ReLU()


class SpatialPrior(nn.Module):
    """Convolutions that see the image at strides 4, 8, 16 and 32."""

    def __init__(self, in_chans: int, width: int, dim: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_conv(in_chans, width, 2),
            *_conv(width, width),
            *_conv(width, width),
            nn.MaxPool2d(3, 2, 1),
        )
        self.conv2 = nn.Sequential(*_conv(width, 2 * width, 2))
        self.conv3 = nn.Sequential(*_conv(2 * width, 4 * width, 2))
        self.conv4 = nn.Sequential(*_conv(4 * width, 4 * width, 2))
        self.fc1, self.fc2, self.fc3, self.fc4 = (
            nn.Conv2d(chs, dim, 1) for chs in (width, 2 * width, 4 * width, 4 * width)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, in_chans, H, W) -> four maps (B, dim, H / stride, W / stride)."""
        c1 = self.stem(x)
        c2 = self.conv2(c1)
        c3 = self.conv3(c2)
        c4 = self.conv4(c3)
        layers = (self.fc1, self.fc2, self.fc3, self.fc4)
        return [layer(c) for layer, c in zip(layers, (c1, c2, c3, c4), strict=True)]


def centres(sizes: Sequence[Size], like: Tensor) -> Tensor:
    """Places of the tokens of maps, one map after the other: x and y from 0 to 1, (n, 2)."""
    places = []
    for size in sizes:
        y, x = ((torch.arange(n, device=like.device) + 0.5).to(like) / n for n in size)
        grid = torch.stack((x.expand(len(y), -1), y[:, None].expand(-1, len(x))), dim=-1)
        places.append(grid.flatten(0, 1))
    return torch.cat(places)


def read_maps(value: Tensor, sizes: Sequence[Size], where: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of bilinear samples of maps, zeros outside.

    Args:
        value: the tokens of the maps, one after the other, (B, m, heads, C).
        sizes: of the maps.
        where: x and y from 0 to 1, (B, n, heads, maps, points, 2).
        weights: (B, n, heads, maps, points).

    Returns:
        (B, n, heads * C).
    """
    batch, _, heads, _ = value.shape
    grids = (2 * where - 1).permute(3, 0, 2, 1, 4, 5).flatten(1, 2)  # (maps, B heads, n, points, 2)
    maps = to_maps(value.transpose(1, 2).flatten(0, 1), sizes)
    samples = [
        F.grid_sample(y, grid, align_corners=False) for y, grid in zip(maps, grids, strict=True)
    ]  # (B heads, C, n, points)
    shares = weights.permute(3, 0, 2, 1, 4).flatten(1, 2)[:, :, None]
    total = (torch.stack(samples) * shares).sum((0, -1))
    return total.unflatten(0, (batch, heads)).permute(0, 3, 1, 2).flatten(2)


class DeformableAttention(nn.Module):
    """Each query reads a few points of some maps, which it chooses around its own place."""

    def __init__(self, dim: int, levels: int, heads: int, points: int, ratio: float) -> None:
        super().__init__()
        inner = int(dim * ratio)
        self.shape = (heads, levels, points)
        self.sampling_offsets = nn.Linear(dim, heads * levels * points * 2)
        self.attention_weights = nn.Linear(dim, heads * levels * points)
        self.value_proj = nn.Linear(dim, inner)
        self.output_proj = nn.Linear(inner, dim)
        nn.init.zeros_(self.sampling_offsets.weight)
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        # At first a head's points lie 1, 2, ... pixels away, each head's in a direction of its own.
        angles = torch.arange(heads) * (2 * math.pi / heads)
        ways = torch.stack((angles.cos(), angles.sin()), dim=-1)
        ways = ways / ways.abs().amax(dim=-1, keepdim=True)
        far = torch.arange(1.0, points + 1)[:, None]
        offsets = (ways[:, None, None] * far).expand(-1, levels, -1, -1)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(offsets.flatten())
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor, places: Tensor, feat: Tensor, sizes: Sequence[Size]) -> Tensor:
        """What the queries read.

        Args:
            query: (B, n, dim).
            places: of the queries, (n, 2).
            feat: the tokens of the maps, one after the other, (B, m, dim).
            sizes: of the maps.

        Returns:
            (B, n, dim).
        """
        heads, levels, points = self.shape
        value = self.value_proj(feat).unflatten(-1, (heads, -1))
        offsets = self.sampling_offsets(query).unflatten(-1, (*self.shape, 2))
        weights = self.attention_weights(query).unflatten(-1, (heads, levels * points))
        weights = weights.softmax(-1).unflatten(-1, (levels, points))
        scale = torch.tensor(sizes).flip(1).to(query)[:, None]  # width and height of each map
        where = places[:, None, None, None] + offsets / scale
        return self.output_proj(read_maps(value, sizes, where, weights))


class Injector(nn.Module):
    """x + gamma * attention of the image's tokens x to the prior's tokens c."""

    def __init__(self, dim: int, heads: int, points: int, ratio: float) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(dim, eps=1e-6)
        self.feat_norm = nn.LayerNorm(dim, eps=1e-6)
        self.attn = DeformableAttention(dim, 3, heads, points, ratio)
        self.gamma = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor, c: Tensor, size: Size, sizes: Sequence[Size]) -> Tensor:
        """(B, n, dim), (B, m, dim) -> (B, n, dim); x has one map, c those of `sizes`."""
        query, feat = self.query_norm(x), self.feat_norm(c)
        return x + self.gamma * self.attn(query, centres([size], x), feat, sizes)


class ConvFfn(nn.Module):
    """fc2 GELU(DWConv(fc1 x)), with one convolution for the maps of all resolutions."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        conv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.dwconv = nn.Sequential(OrderedDict(dwconv=conv))  # as it is named in released files
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, c: Tensor, sizes: Sequence[Size]) -> Tensor:
        """(B, m, dim) to the same."""
        maps = to_maps(self.fc1(c), sizes)
        tokens = [self.dwconv(y).flatten(2).transpose(1, 2) for y in maps]
        return self.fc2(F.gelu(torch.cat(tokens, dim=1)))


class Extractor(nn.Module):
    """c = c + attention of the prior's tokens c to the image's x;  c = c + FFN(norm(c))."""

    def __init__(self, dim: int, heads: int, points: int, ratio: float, ffn_ratio: float) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(dim, eps=1e-6)
        self.feat_norm = nn.LayerNorm(dim, eps=1e-6)
        self.attn = DeformableAttention(dim, 1, heads, points, ratio)
        self.ffn_norm = nn.LayerNorm(dim, eps=1e-6)
        self.ffn = ConvFfn(dim, int(dim * ffn_ratio))

    def forward(self, c: Tensor, x: Tensor, size: Size, sizes: Sequence[Size]) -> Tensor:
        """(B, m, dim), (B, n, dim) -> (B, m, dim)."""
        query, feat = self.query_norm(c), self.feat_norm(x)
        c = c + self.attn(query, centres(sizes, c), feat, [size])
        return c + self.ffn(self.ffn_norm(c), sizes)


class Interaction(nn.Module):
    """What stands around a part of the layers: an injector before, extractors behind."""

    def __init__(self, injector: Injector, extractors: Sequence[Extractor]) -> None:
        super().__init__()
        self.injector = injector
        self.extractor = extractors[0]
        if len(extractors) > 1:
            self.extra_extractors = nn.ModuleList(extractors[1:])

    def extract(self, c: Tensor, x: Tensor, size: Size, sizes: Sequence[Size]) -> Tensor:
        """All extractors, see there."""
        for extractor in (self.extractor, *getattr(self, 'extra_extractors', ())):
            c = extractor(c, x, size, sizes)
        return c


def to_maps(tokens: Tensor, sizes: Sequence[Size]) -> list[Tensor]:
    """The tokens (B, m, C) of maps, one after the other -> the maps (B, C, H, W)."""
    parts = tokens.split([height * width for height, width in sizes], dim=1)
    pairs = zip(parts, sizes, strict=True)
    return [part.transpose(1, 2).unflatten(2, size).contiguous() for part, size in pairs]


class PlainMambaAdapter(PlainMamba):
    """PlainMamba whose maps are those of an adapter, at strides 4, 8, 16 and 32.

    Args:
        in_chans: image channels.
        img_size, embed_dim, depth, stem_convs, conv_layers, drop_path_rate: as for PlainMamba.
        heads, points: of deformable attention: the heads, and the points that each reads of a map.
        deform_ratio: its channels over `embed_dim`.
        ffn_ratio: hidden width of the adapter's MLPs over `embed_dim`.
        prior_dim: channels of the convolutions' first stage.
        interactions: parts into which the layers are divided, each between an injector and an
            extractor.

    Inputs have sides that are multiples of 32; the official code's batch norms of the adapter are
    synchronised, as those of any model here where a config says sync_bn='torch'.
    """

    def __init__(
        self,
        in_chans: int = 3,
        img_size: int | Size = 224,
        embed_dim: int = 192,
        depth: int = 24,
        stem_convs: int = 1,
        conv_layers: Sequence[int] = (0,),
        drop_path_rate: float = 0.0,
        heads: int = 6,
        points: int = 4,
        deform_ratio: float = 1.0,
        ffn_ratio: float = 0.25,
        prior_dim: int = 64,
        interactions: int = 4,
    ) -> None:
        super().__init__(
            in_chans=in_chans,
            num_classes=0,
            global_pool='',
            img_size=img_size,
            embed_dim=embed_dim,
            depth=depth,
            stem_convs=stem_convs,
            conv_layers=conv_layers,
            drop_path_rate=drop_path_rate,
        )
        self.ln1 = nn.Identity()  # the maps have norms of their own
        self.spm = SpatialPrior(in_chans, prior_dim, embed_dim)
        self.level_embed = nn.Parameter(torch.randn(3, embed_dim))
        attention = (embed_dim, heads, points, deform_ratio)
        last = interactions - 1
        self.interactions = nn.ModuleList(
            Interaction(
                Injector(*attention),
                [Extractor(*attention, ffn_ratio) for _ in range(3 if i == last else 1)],
            )
            for i in range(interactions)
        )
        self.up = nn.ConvTranspose2d(embed_dim, embed_dim, 2, 2)
        for i in range(4):
            self.add_module(f'ad_norm{i + 1}', nn.BatchNorm2d(embed_dim))
        for layer in (m for m in self.interactions.modules() if isinstance(m, ConvFfn)):
            for linear in (layer.fc1, layer.fc2):
                trunc_normal_(linear.weight, std=0.02)
                nn.init.zeros_(linear.bias)
        self.feature_info = [
            dict(num_chs=embed_dim, reduction=4 * 2**i, module=f'ad_norm{i + 1}') for i in range(4)
        ]

    def prune_intermediate_layers(self, *args: Any, **kwargs: Any) -> list[int]:
        """Every map needs all layers: nothing is removed."""
        return [0, 1, 2, 3]

    def maps(self, x: Tensor) -> list[Tensor]:
        """Images (B, in_chans, H, W) -> four maps (B, C, H / stride, W / stride).

        Raises:
            ValueError: an image side that is no multiple of 32.
        """
        if any(side % 32 for side in x.shape[-2:]):
            raise ValueError(
                f'{type(self).__name__} needs sides that are multiples of 32, got '
                f'{tuple(x.shape[-2:])}: pad the images.'
            )
        c1, *prior = self.spm(x)
        sizes = [(y.shape[2], y.shape[3]) for y in prior]
        levels = zip(prior, self.level_embed, strict=True)
        c = torch.cat([y.flatten(2).transpose(1, 2) + level for y, level in levels], dim=1)
        x, size = self.embed(x)
        per_part = len(self.layers) // len(self.interactions)
        for i, interaction in enumerate(cast(Sequence[Interaction], self.interactions)):
            x = interaction.injector(x, c, size, sizes)
            for layer in self.layers[i * per_part : (i + 1) * per_part]:
                x, _ = self.run_layer(layer, x, size)
            c = interaction.extract(c, x, size, sizes)
        c2, c3, c4 = to_maps(c, sizes)
        (image,) = to_maps(x, [size])
        ys = []
        for i, y in enumerate((c1 + self.up(c2), c2, c3, c4)):
            y = y + F.interpolate(image, size=y.shape[2:], mode='bilinear', align_corners=False)
            ys.append(self.get_submodule(f'ad_norm{i + 1}')(y))
        return ys
