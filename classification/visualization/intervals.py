"""A plot of values with their intervals, one below the other."""

import warnings
from collections.abc import Mapping

from matplotlib import rc_context

from .figures import plots
from .lines import shorten
from .page import Html, vector
from .page_style import BLUE, VERMILLION

_GREY = '#8a949e'


def intervals(values: Mapping[str, tuple[float, float, float]], title: str, x: str) -> Html:
    """Differences with their intervals around a line at 0.

    Blue lies above 0 with its whole interval, vermillion below, grey on both sides.

    Args:
        values: name -> (value, low, high), from top to bottom.
        title, x: above the plot, and at its axis.
    """
    with rc_context({'text.parse_math': False}), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Glyph .* missing from font')
        figure, axes = plots(1, 1, (5.4, 1.2 + 0.24 * len(values)))
        ax = axes[0, 0]
        ax.axvline(0, color='black', linewidth=1)
        for row, (value, low, high) in enumerate(values.values()):
            colour = BLUE if low > 0 else VERMILLION if high < 0 else _GREY
            ax.plot((low, high), (row, row), color=colour, linewidth=2)
            ax.plot(value, row, 'o', color=colour, markersize=5)
        ax.set_yticks(range(len(values)), [shorten(name) for name in values], fontsize=9)
        ax.set_ylim(len(values) - 0.4, -0.6)
        ax.set_title(shorten(title, 60), fontsize=11)
        ax.set_xlabel(x)
        for side in ('top', 'right'):
            ax.spines[side].set_visible(False)
        return vector(figure)
