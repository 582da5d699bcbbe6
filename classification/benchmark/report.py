"""The benchmark's tables and figures, from its results: the dict that `measure.run` returns."""

import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .. import zoo
from ..visualization.figures import plots, save
from ..visualization.tables import cost
from ..visualization.tables import markdown as table
from .sizes import size_text
from .subjects import OFFICIAL

Row = dict[str, Any]  # a measured case, as `measure.summary` gives it

SETTING = ('model', 'batch', 'precision', 'mode', 'run')


def _series(cases: Sequence[Row]) -> dict[tuple, list[Row]]:
    """Measured cases that differ in the size alone: {setting: [case, ...] by pixels}."""
    series = defaultdict(list)
    for case in sorted(cases, key=_pixels):
        if not case['error']:
            series[tuple(case[key] for key in SETTING)].append(case)
    return series


def _pixels(case: Row) -> int:
    return case['size'][0] * case['size'][1]


def growth(cases: Sequence[Row]) -> list[Row]:
    """Exponents p of cost ~ pixels^p, fitted to each model's sizes where there are two or more.

    Returns:
        [dict(model, batch, precision, mode, run, time=p, memory=p or None)].
    """
    rows = []
    for setting, points in _series(cases).items():
        if len({_pixels(point) for point in points}) > 1:
            time, memory = (_exponent(points, key) for key in ('median', 'memory'))
            rows.append(dict(zip(SETTING, setting, strict=True), time=time, memory=memory))
    return rows


def _exponent(points: Sequence[Row], key: str) -> float | None:
    if not all(point[key] for point in points):
        return None
    logs = np.log([(_pixels(point), point[key]) for point in points])
    pixels, costs = logs.T
    return float(np.polyfit(pixels, costs, 1)[0])


def markdown(result: Mapping[str, Any]) -> str:
    """The results as Markdown: where they were measured, every case, growth with the pixels."""
    # A column for what differs, a word in the heading for what does not.
    cases = result['cases']
    differing = [key for key in SETTING[1:] if len({case[key] for case in cases}) > 1]
    common = [f'{key} {cases[0][key]}' for key in SETTING[1:] if key not in differing]
    parts = [_heading(result, common), _case_table(cases, differing)]
    if result['growth']:
        parts.append(
            'Milliseconds of a batch (MB of memory) by size of the image, and the powers of the '
            'pixels with which both grow:'
        )
        parts.append(_size_table(result, differing))
    return '\n\n'.join(parts) + '\n'


def _heading(result: Mapping[str, Any], common: Sequence[str]) -> str:
    machine = result['machine']
    peaks = ', '.join(f'{value / 1e9:.0f} GFLOP/s in {p}' for p, value in result['peak'].items())
    return (
        f'Measured on {machine["device"]} with torch {machine["torch"]}, {machine["date"]}'
        f'{"".join(f", {word}" for word in common)}; a matrix product reaches {peaks} '
        '(a multiply-add is two FLOPs).'
    )


def _case_table(cases: Sequence[Row], differing: Sequence[str]) -> str:
    costs = ['median (ms)', 'p95 (ms)', 'spread', 'images/s', 'of the peak', 'memory (MB)']
    files = any(case.get('file') for case in cases)
    if files:
        costs.append('file (MB)')
    official = _official_times(cases)
    if official:
        costs.insert(1, 'x official')
    counts = ('parameters', 'GFLOPs per image')
    rows = []
    for case in cases:
        cells = [_name(case['model']), size_text(case['size'])]
        cells += [case[key] for key in differing]
        cells += [_number(case['params'], 1e-6, '.1f', ' M'), _number(case['flops'], 1e-9, '.1f')]
        ratio = [_ratio(case, official)] if official else []
        if case['error']:
            cells += [f'not measured: {case["error"].replace("|", "/")}', *[''] * (len(costs) - 1)]
        else:
            cells += [
                _number(case['median'], 1e3, '.1f'),
                *ratio,
                _number(case['p95'], 1e3, '.1f'),
                _number(case['spread'], 1e2, '.0f', ' %'),
                _number(case['images_s'], 1, '.4g'),
                _number(case.get('peak_share'), 1e2, '.0f', ' %'),
                _number(case['memory'], 1e-6, '.0f'),
                *([_number(case.get('file'), 1e-6, '.0f')] if files else []),
            ]
        rows.append(cells)
    return table(('model', 'size', *differing, *counts, *costs), rows)


def _official_times(cases: Sequence[Row]) -> dict[tuple, float]:
    """Seconds of the official order of operations, eager in fp32, by size, batch and run."""
    return {
        _place(case): case['median']
        for case in cases
        if case['model'].endswith(OFFICIAL)
        and (case['mode'], case['precision']) == ('eager', 'fp32')
        and not case['error']
    }


def _place(case: Row) -> tuple:
    return tuple(case['size']), case['batch'], case['run']


def _ratio(case: Row, official: Mapping[tuple, float]) -> str:
    """How often a case runs in the time that the official order takes once."""
    if case['error'] or _place(case) not in official:
        return ''
    return f'{official[_place(case)] / case["median"]:.2f}'


def _size_table(result: Mapping[str, Any], differing: Sequence[str]) -> str:
    """A line for each model, a column for each size."""
    series = _series(result['cases'])
    sizes = sorted({tuple(case['size']) for case in result['cases']}, key=math.prod)
    rows = []
    for row in result['growth']:
        cases = {tuple(c['size']): c for c in series[tuple(row[key] for key in SETTING)]}
        rows.append(
            [
                _name(row['model']),
                *(row[key] for key in differing),
                *(
                    cost(c['median'], c['memory']) if (c := cases.get(size)) else ''
                    for size in sizes
                ),
                *(_number(row[key], 1, '.2f') for key in ('time', 'memory')),
            ]
        )
    growth = ('growth of time', 'growth of memory')
    return table(('model', *differing, *map(size_text, sizes), *growth), rows)


def _name(model: str) -> str:
    """A model's name; that of a config is its file's, without the ending."""
    return Path(model).stem if model.endswith('.py') else model


def _number(value: float | None, factor: float, fmt: str, unit: str = '') -> str:
    return '' if value is None else f'{value * factor:{fmt}}{unit}'


def scaling_figure(path: str | os.PathLike, result: Mapping[str, Any]) -> None:
    """Time and memory against pixels, both logarithmic, one line per model and setting.

    Nothing is written where no model was measured at two sizes or more.
    """
    series = {k: v for k, v in _series(result['cases']).items() if len(v) > 1}
    if not series:
        return
    figure, axes = plots(1, 2, (11, 4.5))
    for i, (setting, points) in enumerate(series.items()):
        for ax, key, factor in zip(axes[0], ('median', 'memory'), (1, 1e-6), strict=True):
            known = [point for point in points if point[key]]
            ax.loglog(
                [_pixels(p) for p in known],
                [p[key] * factor for p in known],
                label=_label(setting, series),
                **_style(i),
            )
    for ax, label in zip(axes[0], ('seconds per batch (median)', 'peak memory (MB)'), strict=True):
        ax.set(xlabel='pixels per image', ylabel=label)
        ax.grid(alpha=0.3, which='both')
    _legend(axes[0, -1], series)
    figure.suptitle(f'Measured on {result["machine"]["device"]}, {result["machine"]["date"]}')
    save(figure, path, dpi=110)


def accuracy_figure(path: str | os.PathLike, result: Mapping[str, Any]) -> None:
    """Published top-1 against the measured time per image at 224x224, one line per family.

    The published figures are those of the metafiles; nothing is written where no model has one.
    """
    series = {} if result['dense'] else _accuracies(result['cases'])
    if not series:
        return
    figure, axes = plots(1, 1, (8.5, 5))
    ax = axes[0, 0]
    for i, (setting, points) in enumerate(series.items()):
        ax.plot(*zip(*sorted(points), strict=True), label=_label(setting, series), **_style(i))
    ax.set(
        xlabel='measured milliseconds per image at 224x224',
        xscale='log',
        ylabel='published ImageNet top-1 (%), not measured here',
        title=f'{result["machine"]["device"]}, {result["machine"]["date"]}',
    )
    ax.title.set_fontsize(10)
    _legend(ax, series)
    save(figure, path, dpi=110)


def _style(i: int) -> dict[str, str]:
    """A colour and marker for the i-th line; matplotlib has ten colours."""
    return dict(color=f'C{i % 10}', marker='os^Dv'[i // 10 % 5])


def _legend(ax: Axes, series: Mapping[tuple, Any]) -> None:
    """Beside the plot where there are many lines, which it would cover."""
    if len(series) > 8:
        ax.legend(fontsize=7, loc='center left', bbox_to_anchor=(1, 0.5))
    else:
        ax.legend(fontsize=8)


def _accuracies(cases: Sequence[Row]) -> dict[tuple, list[tuple[float, float]]]:
    """(family, setting) -> (milliseconds per image, published top-1) of its models."""
    published = zoo.published_top1(zoo.models())
    series = defaultdict(list)
    for setting, points in _series(cases).items():
        for family, known in published.items():
            for point in points:
                if point['model'] in known and tuple(point['size']) == (224, 224):
                    seconds = point['median'] / point['batch']
                    key = (family, *setting[1:])
                    series[key].append((1e3 * seconds, known[point['model']]))
    return series


def _label(setting: tuple, series: Mapping[tuple, Any]) -> str:
    """The first entry of a setting, the model, and of the others those that differ."""
    first, *others = setting
    differ = [
        f'batch {value}' if isinstance(value, int) else value
        for i, value in enumerate(others, 1)
        if len({s[i] for s in series}) > 1
    ]
    return ', '.join([_name(first), *differ])
