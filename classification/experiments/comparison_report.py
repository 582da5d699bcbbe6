"""The comparison's tables and figure: means over seeds with intervals, and differences by seed."""

import math
import os
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from scipy.stats import t

from ..visualization.figures import plots, save
from ..visualization.tables import markdown
from .study_report import si

# name -> dict(title, params, flops, shape, scores: metric -> per cent of each seed, costs: task ->
# what hooks.Costs writes, of each seed)
Results = Mapping[str, Mapping[str, Any]]
CONFIDENCE = 0.95


def half_width(values: Sequence[float]) -> float:
    """Of Student's interval for the mean: t s / sqrt(n), t the quantile of n - 1 degrees.

    Infinite for one value, which says nothing of its spread.
    """
    n = len(values)
    if n == 1:
        return math.inf
    return t.ppf((1 + CONFIDENCE) / 2, n - 1) * stdev(values) / math.sqrt(n)


def interval(values: Sequence[float], sign: str = '') -> str:
    """Mean and half width as text: '51.0 ± 1.4'; of one value just that.

    Args:
        sign: '+' for one in front of positive means.
    """
    text = f'{mean(values):{sign}.1f}'
    return f'{text} ± {half_width(values):.1f}' if len(values) > 1 else text


def tables(results: Results) -> str:
    """The results as Markdown: the scores and costs, then the differences to the first family."""
    first, *others = results.values()
    metrics = list(first['scores'])
    seeds = len(first['scores'][metrics[0]])
    height, width = first['shape']
    titles = [
        f'family, {seeds} seeds' if seeds > 1 else 'family, 1 seed',
        'parameters',
        f'FLOPs at {height}x{width}',
        *metrics,
        'minutes',
        'CPU minutes',
        'peak memory',
    ]
    rows = [
        [
            result['title'],
            si(result['params']),
            si(result['flops']),
            *(interval(result['scores'][metric]) for metric in metrics),
            *costs(result['costs']),
        ]
        for result in results.values()
    ]
    text = markdown(titles, rows)
    if not others:
        return text
    titles = [f'minus {first["title"]}, by seed', *metrics]
    differences = [
        [
            other['title'],
            *(
                interval(paired(other['scores'][metric], first['scores'][metric]), '+')
                for metric in metrics
            ),
        ]
        for other in others
    ]
    return f'{text}\n\n{markdown(titles, differences)}'


def costs(trainings: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """Minutes of all tasks together, the mean of the seeds, by the clock and of the CPU; the peak.

    Args:
        trainings: task -> what hooks.Costs writes, of each seed.
    """
    minutes = [
        sum(mean(cost[clock] for cost in seeds) for seeds in trainings.values()) / 60
        for clock in ('seconds', 'cpu_seconds')
    ]
    peak = max(cost['bytes'] for seeds in trainings.values() for cost in seeds)
    return [*(f'{number:.1f}' for number in minutes), f'{peak / 2**20:.0f} MiB']


def paired(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """The difference of each seed."""
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def figure(path: str | os.PathLike, results: Results) -> None:
    """Each metric of all families: a dot for each seed, the mean and its interval.

    Args:
        path: PNG to write.
        results: see Results.
    """
    rows = list(results.values())[::-1]
    metrics = list(rows[0]['scores'])
    size = (3 * len(metrics), 0.35 * len(rows) + 1.2)
    figure, axes = plots(1, len(metrics), size, sharey=True)
    for ax, metric in zip(axes[0], metrics, strict=True):
        for y, row in enumerate(rows):
            values = row['scores'][metric]
            ax.plot(values, [y] * len(values), 'o', color='C0', alpha=0.5, ms=4)
            error = half_width(values) if len(values) > 1 else 0
            ax.errorbar(mean(values), y, xerr=error, fmt='|', color='C0', ms=10, capsize=2)
        ax.set(title=f'{metric}, {CONFIDENCE:.0%} intervals', xlabel='per cent')
    axes[0, 0].set_yticks(range(len(rows)), [row['title'] for row in rows])
    save(figure, path, dpi=100)
