"""The benchmark's tables and figures, from its results."""

from collections import defaultdict
from pathlib import Path

import numpy as np
from figures import save
from matplotlib import pyplot as plt
from text_table import markdown as table

# ImageNet top-1 at 224x224 as published, never measured here: MILA (Han et al., NeurIPS 2024),
# VMamba (Liu et al., NeurIPS 2024), MambaOut (Yu and Wang, CVPR 2025), Swin (Liu et al., ICCV
# 2021), ConvNeXt (Liu et al., CVPR 2022).
TOP1 = {
    'MILA': dict(mila_tiny=83.5, mila_small=84.4, mila_base=85.3),
    'VMamba': dict(vmamba_tiny=82.6, vmamba_small=83.6, vmamba_base=83.9),
    'MambaOut': dict(
        mambaout_femto=78.9,
        mambaout_kobe=80.0,
        mambaout_tiny=82.7,
        mambaout_small=84.1,
        mambaout_base=84.2,
    ),
    'Swin': dict(
        swin_tiny_patch4_window7_224=81.3,
        swin_small_patch4_window7_224=83.0,
        swin_base_patch4_window7_224=83.5,
    ),
    'ConvNeXt': dict(convnext_tiny=82.1, convnext_small=83.1, convnext_base=83.8),
}
SETTING = ('model', 'batch', 'precision', 'mode', 'run')


def _series(cases):
    """Measured cases that differ in the size alone: {setting: [case, ...] by pixels}."""
    series = defaultdict(list)
    for case in sorted(cases, key=_pixels):
        if not case['error']:
            series[tuple(case[key] for key in SETTING)].append(case)
    return series


def _pixels(case):
    return case['size'][0] * case['size'][1]


def growth(cases):
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


def _exponent(points, key):
    if not all(point[key] for point in points):
        return None
    logs = np.log([(_pixels(point), point[key]) for point in points])
    return float(np.polyfit(*logs.T, 1)[0])


def markdown(result):
    """The results as Markdown: where, every case, growth with the pixels."""
    machine, cases = result['machine'], result['cases']
    peaks = ', '.join(f'{value / 1e9:.0f} GFLOP/s in {p}' for p, value in result['peak'].items())
    # A column for what differs, a word in the heading for what does not.
    differing = [key for key in SETTING[1:] if len({case[key] for case in cases}) > 1]
    common = [f'{key} {cases[0][key]}' for key in SETTING[1:] if key not in differing]
    parts = [
        f'Measured on {machine["device"]} with torch {machine["torch"]}, {machine["date"]}'
        f'{"".join(f", {word}" for word in common)}; a matrix product reaches {peaks} '
        '(a multiply-add is two FLOPs).',
    ]
    costs = ('median (ms)', 'p95 (ms)', 'spread', 'images/s', 'of the peak', 'memory (MB)')
    counts = ('parameters', 'GFLOPs an image')
    rows = []
    for case in cases:
        cells = [_name(case['model']), 'x'.join(map(str, case['size']))]
        cells += [case[key] for key in differing]
        cells += [_number(case['params'], 1e-6, '.1f', ' M'), _number(case['flops'], 1e-9, '.1f')]
        if case['error']:
            cells += [f'not measured: {case["error"].replace("|", "/")}', *[''] * (len(costs) - 1)]
        else:
            cells += [
                _number(case['median'], 1e3, '.1f'),
                _number(case['p95'], 1e3, '.1f'),
                _number(case['spread'], 1e2, '.0f', ' %'),
                _number(case['images_s'], 1, '.4g'),
                _number(case.get('peak_share'), 1e2, '.0f', ' %'),
                _number(case['memory'], 1e-6, '.0f'),
            ]
        rows.append(cells)
    parts.append(table(('model', 'size', *differing, *counts, *costs), rows))
    if result['growth']:
        rows = [
            [
                _name(row['model']),
                *(row[key] for key in differing),
                *(_number(row[key], 1, '.2f') for key in ('time', 'memory')),
            ]
            for row in result['growth']
        ]
        parts.append('Cost grows with the pixels to the power of:')
        parts.append(table(('model', *differing, 'time', 'memory'), rows))
    return '\n\n'.join(parts) + '\n'


def _name(model):
    """Of a config the file's name without its ending."""
    return Path(model).stem if model.endswith('.py') else model


def _number(value, factor, fmt, unit=''):
    return '' if value is None else f'{value * factor:{fmt}}{unit}'


def scaling_figure(path, result):
    """Time and memory against pixels, both logarithmic, a line each model and setting."""
    series = {k: v for k, v in _series(result['cases']).items() if len(v) > 1}
    if not series:
        return
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.5))
    for setting, points in series.items():
        for ax, key, factor in zip(axes, ('median', 'memory'), (1, 1e-6), strict=True):
            known = [point for point in points if point[key]]
            ax.loglog(
                [_pixels(p) for p in known],
                [p[key] * factor for p in known],
                marker='o',
                label=_label(setting, series),
            )
    for ax, label in zip(axes, ('seconds a batch (median)', 'peak memory (MB)'), strict=True):
        ax.set(xlabel='pixels an image', ylabel=label)
        ax.grid(alpha=0.3, which='both')
    axes[0].legend(fontsize=8)
    fig.suptitle(f'Measured on {result["machine"]["device"]}, {result["machine"]["date"]}')
    save(fig, path, dpi=110)


def accuracy_figure(path, result):
    """Published top-1 against the measured time of an image at 224x224, a line each family."""
    if result['dense']:
        return
    series = defaultdict(list)
    for setting, points in _series(result['cases']).items():
        for family, known in TOP1.items():
            for point in points:
                if point['model'] in known and point['size'] in ((224, 224), [224, 224]):
                    seconds = point['median'] / point['batch']
                    series[(family, *setting[1:])].append((1e3 * seconds, known[point['model']]))
    if not series:
        return
    fig, ax = plt.subplots(figsize=(6.5, 4.5))
    for setting, points in series.items():
        ax.plot(*zip(*sorted(points), strict=True), marker='o', label=_label(setting, series))
    ax.set(
        xlabel='measured milliseconds an image at 224x224',
        ylabel='published ImageNet top-1 (%), not measured here',
        title=f'{result["machine"]["device"]}, {result["machine"]["date"]}',
    )
    ax.title.set_fontsize(10)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    save(fig, path, dpi=110)


def _label(setting, series):
    """The first entry of a setting, the model, and of the others those that differ."""
    first, *others = setting
    differ = [
        f'batch {value}' if isinstance(value, int) else value
        for i, value in enumerate(others, 1)
        if len({s[i] for s in series}) > 1
    ]
    return ', '.join([_name(first), *differ])
