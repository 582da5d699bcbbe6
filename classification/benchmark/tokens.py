"""Is it a long sequence? The tokens of each stage of a model against 6 times its channels.

A Transformer block of L tokens with D channels costs 24 D^2 L + 4 D L^2 FLOPs, a multiply-add
counted twice: from L = 6 D on the part that is quadratic in the tokens is the larger one. That is
where Yu and Wang ("MambaOut: Do We Really Need Mamba for Vision?", CVPR 2025) let long sequences
begin, for which a mixer of linear cost, such as a state-space model or linear attention, should
pay.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ..engine.errors import UsageError, one_line
from ..visualization.tables import markdown
from .sizes import size_text
from .subjects import REFUSALS, build_subject


def stages(name: str, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The maps that a model computes for an image; equal ones one after the other are one.

    Args:
        name: of a timm model, or path of a config.
        size: (height, width) of the image.

    Returns:
        [dict(stage='1' or '1-12', tokens, channels, threshold, ratio)].

    Raises:
        UsageError: no such model, or one without maps or not for this size.
    """
    rows, last = [], 0
    for (tokens, channels), group in groupby(_map_shapes(name, size)):
        first, last = last + 1, last + len(list(group))
        rows.append(
            dict(
                stage=str(first) if first == last else f'{first}-{last}',
                tokens=tokens,
                channels=channels,
                threshold=6 * channels,
                ratio=tokens / (6 * channels),
            )
        )
    return rows


def _map_shapes(name: str, size: tuple[int, int]) -> list[tuple[int, int]]:
    """(tokens, channels) of every map."""
    model: Any = build_subject(name).module.eval()
    model = getattr(model, 'backbone', model)
    images = torch.empty(1, 3, *size)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            if hasattr(model, 'forward_intermediates'):
                maps = model.forward_intermediates(images, intermediates_only=True)
            else:
                maps = model(images)
        return [(y.shape[2] * y.shape[3], y.shape[1]) for y in maps]
    except (*REFUSALS, IndexError) as error:
        raise UsageError(
            f'{name} gives no maps of an image of {size_text(size)} ({one_line(error)}): '
            'choose another model or size.'
        ) from error


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows of `stages` with model and size, as Markdown."""
    lines = []
    for row in rows:
        long = f'{"yes" if row["ratio"] > 1 else "no"} ({row["ratio"]:.2f})'
        cells = [row[key] for key in ('stage', 'tokens', 'channels', 'threshold')]
        lines.append([Path(row['model']).stem, size_text(row['size']), *cells, long])
    titles = ('model', 'image', 'stage', 'tokens', 'channels', '6 x channels', 'long')
    return markdown(titles, lines)
