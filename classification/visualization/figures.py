"""What the figures of all reports share. They need no display and set no global of matplotlib."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure


def plots(
    rows: int, columns: int, size: tuple[float, float], **kwargs: Any
) -> tuple[Figure, np.ndarray]:
    """A figure of rows x columns plots with light grids, and its axes (rows, columns).

    Args:
        size: width and height of the figure in inches.
        kwargs: further arguments of Figure.subplots, such as sharey.
    """
    figure = Figure(figsize=size)
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    for ax in axes.flat:
        ax.grid(alpha=0.3)
    return figure, axes


def picture_grid(
    rows: int, titles: Sequence[str], cell: Sequence[float], fontsize: float
) -> tuple[Figure, np.ndarray]:
    """A figure of `rows` pictures under each title, and its axes (rows, titles), without frames.

    Args:
        cell: width and height of a picture in inches.
    """
    columns = len(titles)
    figure = Figure(figsize=(cell[0] * columns, cell[1] * rows))
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=fontsize)
    for ax in axes.flat:
        ax.axis('off')
    return figure, axes


def save(figure: Figure, path: str | os.PathLike, dpi: int) -> None:
    """Write a figure to a file, its parts beside each other without overlap."""
    figure.tight_layout()
    figure.savefig(path, dpi=dpi)
