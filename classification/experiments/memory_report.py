"""The memory study's table and its two figures."""

import os
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import numpy as np

from ..visualization.figures import picture_grid, plots, save
from ..visualization.tables import markdown
from .grid import spread
from .memory import MIXERS, REACH, Run, build

Results = Mapping[Run, Mapping[str, Any]]
QUESTIONS = {'here': 'which digit is it?', 'other': 'which digit is the other?'}


def table(results: Results) -> str:
    """Right answers to both questions, per cent, mean and standard deviation of the seeds."""
    mixers, sides = _mixers(results), _sides(results)
    titles = [f'{what} {side}x{side}' for what in QUESTIONS.values() for side in sides]
    rows = []
    for mixer in mixers:
        parameters = sum(p.numel() for p in build(mixer).parameters())
        cells = [
            spread(_percent(results, mixer, side, question))
            for question in QUESTIONS
            for side in sides
        ]
        rows.append([mixer, f'{parameters / 1e3:.0f} k', *cells])
    return markdown(['mixing', 'parameters', *titles], rows)


def size_figure(path: str | os.PathLike, results: Results) -> None:
    """Right answers to both questions against the number of tokens, a dot for each seed.

    Args:
        path: PNG to write.
        results: of the runs.
    """
    sides = _sides(results)
    tokens = [side**2 for side in sides]
    figure, axes = plots(1, 2, (9, 3.8))
    for ax, (question, title) in zip(axes[0], QUESTIONS.items(), strict=True):
        for i, mixer in enumerate(_mixers(results)):
            shares = [_percent(results, mixer, side, question) for side in sides]
            ax.plot(tokens, [mean(share) for share in shares], color=f'C{i}', label=mixer)
            for count, share in zip(tokens, shares, strict=True):
                ax.plot([count] * len(share), share, 'o', color=f'C{i}', ms=4, alpha=0.6)
        ax.set(title=title, xlabel='tokens of the canvas', xscale='log')
        ax.set_xticks(tokens, [str(count) for count in tokens])
        ax.minorticks_off()
    axes[0, 0].set_ylabel('right answers (%)')
    axes[0, 1].axhline(10, color='0.6', lw=1, ls=':')
    axes[0, 1].legend(fontsize=8)
    save(figure, path, dpi=100)


def offset_figure(path: str | os.PathLike, results: Results, side: int) -> None:
    """Right answers to the question that needs memory, by where the other digit lies.

    Args:
        path: PNG to write.
        results: of the runs.
        side: of the canvases, in cells.
    """
    mixers = _mixers(results)
    figure, axes = picture_grid(1, mixers, cell=(2.3, 2.5), fontsize=9)
    reach = side - 0.5
    for ax, mixer in zip(axes[0], mixers, strict=True):
        shown = ax.imshow(
            right_by_offset(results, mixer, side),
            cmap='viridis',
            vmin=10,
            vmax=100,
            extent=(-reach, reach, reach, -reach),
        )
        ax.plot(0, 0, 'r+', ms=8)
        box = REACH + 0.5
        ax.plot([-box, box, box, -box, -box], [-box, -box, box, box, -box], 'r:', lw=1)
    bar = figure.colorbar(shown, ax=axes[0, -1], fraction=0.046)
    bar.set_label('right answers (%)', fontsize=8)
    save(figure, path, dpi=100)


def right_by_offset(results: Results, mixer: str, side: int) -> np.ndarray:
    """Right answers in per cent, (2 side - 1, 2 side - 1); nan where nothing was asked."""
    runs = _runs(results, mixer, side)
    right, asked = (np.sum([run[name] for run in runs], axis=0) for name in ('right', 'asked'))
    return np.where(asked, 100 * right / np.maximum(asked, 1), np.nan)


def _percent(results: Results, mixer: str, side: int, question: str) -> list[float]:
    return [100 * run[question] for run in _runs(results, mixer, side)]


def _runs(results: Results, mixer: str, side: int) -> list[Mapping[str, Any]]:
    return [found for run, found in results.items() if (run.mixer, run.side) == (mixer, side)]


def _mixers(results: Results) -> list[str]:
    return [mixer for mixer in MIXERS if any(run.mixer == mixer for run in results)]


def _sides(results: Results) -> Sequence[int]:
    return sorted({run.side for run in results})
