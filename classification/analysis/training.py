"""How a training went: curves of its losses, its learning rate and its metrics."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from ..visualization.lines import Curve, curves
from ..visualization.page import Html, Section, beside, paragraph
from ..visualization.page_style import COLOURS
from ..visualization.scalars import read_scalars

# The metrics that a task is judged by, as their evaluators call them.
MAIN_METRIC = re.compile(r'(mAP|mAP_50|mIoU|mAcc|aAcc|top\d)$')
_NOT_METRICS = {'step', 'iter', 'epoch', 'time', 'data_time', 'memory', 'lr', 'base_lr'}
_POINTS = 300  # of a curve; more are averaged


class Log(NamedTuple):
    """What a training logged.

    Attributes:
        training: entries of the losses and the learning rate.
        metrics: entries of the evaluations.
        unit: what the steps of the metrics count.
    """

    training: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    unit: str


def read_log(cfg: Config) -> Log:
    """The log in a config's work dir, of a resumed run from its beginning."""
    entries = [entry for folder in work_dirs(cfg) for entry in read_scalars(folder)]
    return Log(
        [entry for entry in entries if 'lr' in entry],
        [entry for entry in entries if 'lr' not in entry],
        _metric_unit(cfg),
    )


def training_section(log: Log) -> Section:
    """Curves of a training."""
    plots = [*_losses(log.training), *_metrics(log.metrics, log.unit)]
    if not plots:
        return Section('Training', [paragraph('The work dir holds no log of a training.')])
    return Section('Training', [beside(plots)])


def compared_training(logs: Mapping[str, Log]) -> Section:
    """Curves of several runs over each other: of the loss and of each main metric.

    Args:
        logs: name of a run -> its log.
    """
    plots = []
    losses = {name: _curve(log.training, 'loss') for name, log in logs.items()}
    losses = {name: curve for name, curve in losses.items() if curve[0]}
    if losses:
        plots.append(curves(losses, 'Training loss', 'iteration'))
    found = {key: None for log in logs.values() for entry in log.metrics for key in entry}
    units = ' or '.join(dict.fromkeys(log.unit for log in logs.values()))
    for key in filter(MAIN_METRIC.search, found):
        lines = {name: _curve(log.metrics, key) for name, log in logs.items()}
        lines = {name: curve for name, curve in lines.items() if curve[0]}
        if lines:
            plots.append(curves(lines, key, units, marker='o'))
    if not plots:
        return Section('Training', [paragraph('There is no log of a training.')])
    return Section('Training', [beside(plots)])


def work_dirs(cfg: Config) -> list[Path]:
    """The folders of a run, the oldest first: it may have been resumed from another folder."""
    folders = [Path(cfg.work_dir)]
    if cfg.get('resume') and cfg.get('load_from'):
        first = Path(cfg.load_from).parent
        if first.is_dir() and not os.path.samefile(first, folders[0]):
            folders.insert(0, first)
    return folders


def _metric_unit(cfg: Config) -> str:
    """What the steps of the metrics count."""
    loop = cfg.get('train_cfg') or {}
    by_epoch = loop.get('by_epoch', loop.get('type') == 'EpochBasedTrainLoop')
    logger = cfg.get('default_hooks', {}).get('logger') or {}
    return 'epoch' if by_epoch and logger.get('log_metric_by_epoch', True) else 'iteration'


def _losses(entries: Sequence[dict[str, Any]]) -> list[Html]:
    """The loss, its parts where there are several, and the learning rate."""
    total = _curve(entries, 'loss')
    keys = {key for entry in entries for key in entry if 'loss' in key and key != 'loss'}
    parts = {key: curve for key in sorted(keys) if (curve := _curve(entries, key))[0]}
    largest = sorted(parts, key=lambda key: -sum(parts[key][1]) / len(parts[key][1]))
    shown = {key: parts[key] for key in largest[: len(COLOURS)]}
    plots = []
    if total[0]:
        plots.append(curves({'loss': total}, 'Training loss', 'iteration'))
    if len(parts) > 1:
        title = 'Its parts' if len(shown) == len(parts) else f'Its {len(shown)} largest parts'
        plots.append(curves(shown, title, 'iteration'))
    rate = _curve(entries, 'lr')
    if rate[0]:
        plots.append(curves({'lr': rate}, 'Learning rate', 'iteration'))
    return plots


def _metrics(entries: Sequence[dict[str, Any]], unit: str) -> list[Html]:
    """The main metrics of each evaluation; where there is none of them, all."""
    found = {key: None for entry in entries for key in entry if key not in _NOT_METRICS}
    keys = [key for key in found if MAIN_METRIC.search(key)] or list(found)
    lines = {key: curve for key in keys if (curve := _curve(entries, key))[0]}
    names = list(lines)
    return [
        curves({key: lines[key] for key in names[i : i + 6]}, 'Evaluations', unit, marker='o')
        for i in range(0, len(names), 6)
    ]


def _curve(entries: Sequence[dict[str, Any]], key: str) -> Curve:
    """(steps, values) in order; of a step that two runs logged, the later run's value."""
    points = {
        entry['step']: float(entry[key])
        for entry in entries
        if isinstance(entry.get(key), (int, float)) and math.isfinite(entry[key])
    }
    steps = sorted(points)
    block = -(-len(steps) // _POINTS) or 1
    blocks = [steps[i : i + block] for i in range(0, len(steps), block)]
    return (
        [sum(part) / len(part) for part in blocks],
        [sum(points[step] for step in part) / len(part) for part in blocks],
    )
