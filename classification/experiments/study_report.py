"""The study's table, figure and pictures."""

import os
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from .. import zoo
from ..models import ROWS
from ..models.linear_swin import LinearSwin
from ..models.ops.layout import DIRECTIONS
from ..models.unified_attention import UnifiedAttention
from ..visualization.figures import picture_grid, plots, save
from ..visualization.tables import markdown
from ..zoo.metafiles import TOP1
from .grid import spread

Results = Mapping[str, Mapping[str, Any]]

# The rows with one kind of position each.
POSITIONS = dict(ape='APE', lepe='LePE', cpe='CPE', rope='RoPE')


def published_rows() -> dict[str, zoo.Model]:
    """Row -> its entry of the metafiles, with the paper's figures where the paper has the row."""
    known = {model.timm: model for model in zoo.models() if model.timm}
    return {row: known[f'study_{row}'] for row in ROWS}


def table(results: Results, published: Mapping[str, zoo.Model]) -> str:
    """Measured beside published, as Markdown.

    Args:
        results: row -> dict(params, flops, speed over the baseline's, top1 of each seed: per cent).
        published: from `published_rows`.
    """
    seeds = len(results['baseline']['top1'])
    measured = ['parameters', 'FLOPs', 'speed', *([f'top-1, {seeds} seeds'] if seeds else [])]
    names = ['row', *measured, *(f'{name} (published)' for name in (*measured[:3], 'top-1'))]
    rows = []
    for row, result in results.items():
        cells = [row.replace('_', ' '), si(result['params']), si(result['flops'])]
        cells += [f'{result["speed"]:.2f}', *([spread(result['top1'])] if seeds else [])]
        rows.append([*cells, *_published_cells(published[row], published['baseline'])])
    return markdown(names, rows)


def _published_cells(model: zoo.Model, baseline: zoo.Model) -> list[str]:
    """Parameters, FLOPs, speed over the baseline's and top-1; empty where nothing is published."""
    counts, base = model.published_counts, baseline.published_counts
    if not (counts and counts.throughput and base and base.throughput):
        return [''] * 4
    speed = counts.number(counts.throughput) / counts.number(base.throughput)
    printed = [counts.parameters or '', counts.flops or '']
    return [*printed, f'{speed:.2f}', f'{model.published(TOP1)}']


def si(number: float) -> str:
    """Three digits and a unit: 28300000 is 28.3 M."""
    for unit, factor in (('G', 1e9), ('M', 1e6), ('k', 1e3)):
        if number >= factor:
            return f'{number / factor:.3g} {unit}'
    return f'{number:g}'


def figure(path: str | os.PathLike, results: Results, published: Mapping[str, zoo.Model]) -> None:
    """Top-1 of every row: measured here, one dot per seed, and published.

    Args:
        path: PNG to write.
        results, published: as for `table`.
    """
    rows = list(results)[::-1]
    figure, axes = plots(1, 2, (10, 0.32 * len(rows) + 1.2), sharey=True)
    axes = axes[0]
    for y, row in enumerate(rows):
        top1 = results[row]['top1']
        axes[0].plot([min(top1), max(top1)], [y, y], color='C0', lw=1)
        axes[0].plot(top1, [y] * len(top1), 'o', color='C0', alpha=0.5)
        axes[0].plot(mean(top1), y, '|', color='C0', ms=14, mew=2)
        if (paper := published[row].published(TOP1)) is not None:
            axes[1].plot(paper, y, 'o', color='C1')
    axes[0].axvline(mean(results['baseline']['top1']), color='0.6', lw=1, ls=':')
    axes[1].axvline(published['baseline'].published(TOP1), color='0.6', lw=1, ls=':')
    axes[0].set_yticks(range(len(rows)), [row.replace('_', ' ') for row in rows])
    axes[0].set(title='measured here', xlabel='top-1 (%)')
    axes[1].set(title='published, ImageNet', xlabel='top-1 (%)')
    save(figure, path, dpi=100)


def attention_picture(
    path: str | os.PathLike, models: Mapping[str, LinearSwin], images: Tensor
) -> None:
    """What the token in the middle reads, in the first block, with and without its positions.

    Each map has a scale of its own; the weights of LePE's convolution may be negative.

    Args:
        path: PNG to write.
        models: row -> trained model.
        images: (N, 3, H, W), normalised.
    """
    names = [POSITIONS[row] for row in models]
    titles = ['image', *(f'{name}, {how}' for name in names for how in ('with', 'without'))]
    figure, axes = picture_grid(len(images), titles, cell=(1.5, 1.6), fontsize=9)
    pairs = [m for model in models.values() for m in (model, model.with_design(pos=()))]
    for row, image in zip(axes, images, strict=True):
        grids = [attention(model, image) for model in pairs]
        query = [side // 2 for side in grids[0].shape]
        _show_image(row[0], image, grids[0].shape, query)
        for ax, grid in zip(row[1:], grids, strict=True):
            ax.imshow(grid, cmap='magma')
            ax.plot(query[1], query[0], 'c+', ms=8)
    save(figure, path, dpi=100)


def attention(model: nn.Module, image: Tensor) -> Tensor:
    """The attention map (H, W) of the middle token in the model's first block."""
    mixer, x, table = first_attention(model, image)
    return mixer.attention_map(x, [side // 2 for side in x.shape[1:3]], table)


def decay_picture(path: str | os.PathLike, model: nn.Module, images: Tensor) -> None:
    """The forget gate of the first block: Δ, and what is left of each token in the middle.

    Args:
        path: PNG to write.
        model: trained with the forget gate.
        images: (N, 3, H, W), normalised.
    """
    orders = [(order,) for order in DIRECTIONS]
    names = [order.replace('_', ', ') for order in DIRECTIONS]
    titles = ['image', 'step Δ', *names, 'mean of four']
    figure, axes = picture_grid(len(images), titles, cell=(1.5, 1.6), fontsize=9)
    for row, image in zip(axes, images, strict=True):
        mixer, x, _ = first_attention(model, image)
        query = [side // 2 for side in x.shape[1:3]]
        _show_image(row[0], image, x.shape[1:3], query)
        with torch.no_grad():
            row[1].imshow(mixer.delta(x)[0].mean(dim=-1), cmap='viridis')
        for ax, scan in zip(row[2:], [*orders, DIRECTIONS], strict=True):
            ax.imshow(mixer.decay_map(x, query, scan), cmap='magma', vmin=0, vmax=1)
            ax.plot(query[1], query[0], 'c+', ms=8)
    save(figure, path, dpi=100)


def first_attention(
    model: nn.Module, image: Tensor
) -> tuple[UnifiedAttention, Tensor, tuple[Tensor, Tensor] | None]:
    """The first block's attention, and what it is given for an image (3, H, W): (x, table)."""
    seen = []
    attention = next(m for m in model.modules() if isinstance(m, UnifiedAttention))
    hook = attention.register_forward_pre_hook(lambda _, args: seen.extend(args))
    with torch.no_grad():
        model(image[None])
    hook.remove()
    return attention, *seen


def _show_image(ax: Axes, image: Tensor, tokens: Sequence[int], query: Sequence[int]) -> None:
    """An image with its grid of tokens, and a mark on the one that reads."""
    image = image - image.amin()
    ax.imshow((image / image.amax()).permute(1, 2, 0))
    (height, width), (rows, columns) = image.shape[1:], tokens
    ax.plot(
        (query[1] + 0.5) * width / columns - 0.5, (query[0] + 0.5) * height / rows - 0.5, 'c+', ms=8
    )
