"""What the figures of all tools share; on machines without a display too."""

import matplotlib
from matplotlib import pyplot as plt

matplotlib.use('Agg')


def picture_grid(rows, titles, cell, fontsize):
    """A figure of `rows` pictures under each title, and its axes (rows, titles), without frames.

    Args:
        cell: width and height of a picture in inches.
    """
    columns = len(titles)
    fig, axes = plt.subplots(
        rows, columns, figsize=(cell[0] * columns, cell[1] * rows), squeeze=False
    )
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=fontsize)
    for ax in axes.flat:
        ax.axis('off')
    return fig, axes


def save(fig, path, dpi):
    fig.tight_layout()
    fig.savefig(path, dpi=dpi)
    plt.close(fig)
