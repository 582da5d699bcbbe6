"""A small plot of curves for a page."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.ticker import MaxNLocator

from .figures import plots
from .page import Html, vector
from .page_style import COLOURS

Curve = tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray]

_NAME = 24  # characters of a name in a legend


def curves(
    lines: Mapping[str, Curve],
    title: str,
    x: str,
    y: str = '',
    limits: tuple[float, float] | None = None,
    marker: str | None = None,
) -> Html:
    """Curves over each other in one plot.

    Args:
        lines: name -> (x values, y values), at most as many as there are COLOURS.
        title, x, y: above the plot, and at its axes.
        limits: of both axes, such as (0, 1); without them x counts whole steps.
        marker: of matplotlib, where the points are few.
    """
    # A name such as $x$ is a name, no formula; one in Chinese is measured with a font without it.
    with rc_context({'text.parse_math': False}), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Glyph .* missing from font')
        figure, axes = plots(1, 1, (5.4, 3.0))
        ax = axes[0, 0]
        for (name, values), colour in zip(lines.items(), COLOURS, strict=False):
            label = shorten(name)
            # matplotlib leaves out names that begin so.
            label = f' {label}' if label.startswith('_') else label
            ax.plot(*values, label=label, color=colour, marker=marker, markersize=4, linewidth=1.6)
        ax.set_title(shorten(title, 60), fontsize=11)
        ax.set_xlabel(shorten(x))
        ax.set_ylabel(shorten(y))
        for side in ('top', 'right'):
            ax.spines[side].set_visible(False)
        if limits:
            ax.set(xlim=limits, ylim=(limits[0], limits[1] * 1.02))
        else:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            steps = {step for x_values, _ in lines.values() for step in x_values}
            if len(steps) == 1:  # matplotlib would show a hundredth of a step
                ax.set_xlim(min(steps) - 1, min(steps) + 1)
            if min(min(y_values) for _, y_values in lines.values()) >= 0 > ax.get_ylim()[0]:
                ax.set_ylim(bottom=0)
        if len(lines) > 1:
            ax.legend(fontsize=8, framealpha=0.8)
        return vector(figure)


def shorten(name: str, length: int = _NAME) -> str:
    """A name of at most `length` characters, each of which a font can be asked for."""
    name = name.encode(errors='replace').decode()  # half of a surrogate pair is no character
    return name if len(name) <= length else name[: length - 1] + '…'
