"""compare.html: runs side by side, and whether one is better than another."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..engine.errors import UsageError
from ..visualization.intervals import intervals
from ..visualization.page import (
    Cell,
    Html,
    Section,
    beside,
    folded,
    heading,
    name_of,
    page,
    paragraph,
    picture,
    table,
)
from ..visualization.page_style import COLOURS
from .bootstrap import LEVEL, Difference, difference, draw_images
from .calibration import calibration_plot
from .report import now, number, tile, write_page
from .runs import EvaluatedRun, Run, evaluate_run
from .training import MAIN_METRIC, compared_training

_MOST = len(COLOURS) - 1  # runs: the reliability diagram has one line more
_PLOTTED = 20  # classes
_IMAGES = 6  # that gained most, and that lost most


def compare_work_dirs(
    work_dirs: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    score_thr: float = 0.3,
    seed: int = 0,
) -> Path:
    """Evaluate the best checkpoint of each training, else its last, and compare them.

    Args:
        work_dirs: of 2 to 5 trainings; each is compared with the first.
        out, seed: as `write_comparison`.
        score_thr: as `report.write_report`.

    Returns:
        The file.

    Raises:
        UsageError, DataError, CheckpointError: work dir, config, data or file cannot be used, or
            the runs cannot be compared.
    """
    _check_number(len(work_dirs))
    return write_comparison(
        [evaluate_run(one, score_thr=score_thr) for one in work_dirs], out, seed
    )


def write_comparison(runs: Sequence[Run], out: str | os.PathLike, seed: int = 0) -> Path:
    """Compare predictions of several runs for the same images.

    Args:
        runs: 2 to 5; each is compared with the first.
        out: HTML file to write.
        seed: of the bootstrap.

    Returns:
        The file.

    Raises:
        UsageError: the runs cannot be compared.
    """
    _check_number(len(runs))
    _check_same(runs)
    first, *others = runs
    named = dict(zip(_distinct_names(runs), runs, strict=True))
    names = list(named)
    counts = draw_images(len(first.analysis.names()), seed=seed)
    values = [[one.values(counts) for one in run.analysis.judgements()] for run in runs]
    sections = [
        Section('Side by side', _side_by_side(named)),
        compared_training({name: run.log for name, run in named.items()}),
        Section('Calibration', _calibration(named)),
    ]
    for i, other in enumerate(others, start=1):
        pair = names[0], names[i]
        title = f'{names[i]} against {names[0]}'
        content = _differences(first, pair, values[0], values[i])
        sections.append(Section(title, content))
        sections.append(Section(f'{title}: images', _images(first, other, pair, counts)))
    subtitle = f'{len(counts)} images, {now()}'
    return write_page(Path(out), page(' / '.join(names), [subtitle], sections))


def _check_number(runs: int) -> None:
    if not 2 <= runs <= _MOST:
        raise UsageError(f'A comparison is of 2 to {_MOST} runs, not of {runs}.')


def _check_same(runs: Sequence[Run]) -> None:
    """Raise where runs were tested on other images, or know other classes."""
    first = runs[0]
    for run in runs[1:]:
        if list(run.analysis.classes) != list(first.analysis.classes):
            what = 'know other classes'
        elif run.analysis.names() != first.analysis.names():
            what = 'were tested on other images'
        elif _metrics(run) != _metrics(first):
            what = f'have other metrics ({_metrics(run)} and {_metrics(first)})'
        else:
            continue
        raise UsageError(
            f'{run.name} and {first.name} {what}: compare runs with the same test set.'
        )


def _metrics(run: Run) -> str:
    return ', '.join(one.metric for one in run.analysis.judgements())


def _distinct_names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its own, with a number where another has it too."""
    names = [run.name for run in runs]
    return [
        f'{name} ({i})' if names.count(name) > 1 else name for i, name in enumerate(names, start=1)
    ]


def _side_by_side(runs: Mapping[str, Run]) -> list[Html]:
    """The metrics of the config's evaluators, calibration, time and size."""
    known = dict.fromkeys(key for run in runs.values() for key in run.metrics)
    rows: list[list[Cell]] = []
    for key in filter(MAIN_METRIC.search, known):
        cells = [tile(key, float(run.metrics.get(key, np.nan))) for run in runs.values()]
        rows.append([cells[0][0], *(text for _, text in cells)])
    rows.append(
        ['calibration error, %', *(_percent(r.analysis.calibration.error()) for r in runs.values())]
    )
    tested = [run.collector if isinstance(run, EvaluatedRun) else None for run in runs.values()]
    if any(tested):
        rows += [
            ['milliseconds per image', *(one and f'{one.milliseconds:.0f}' for one in tested)],
            ['parameters, M', *(one and f'{one.parameters / 1e6:.2f}' for one in tested)],
        ]
    every: list[list[Cell]] = [
        [key, *(number(float(run.metrics.get(key, np.nan))) for run in runs.values())]
        for key in known
    ]
    titles = ['', *map(name_of, runs)]
    content = [table(titles, rows), paragraph('In per cent; APs are times 100.', note=True)]
    return [*content, folded('All metrics', table(titles, every))] if every else content


def _calibration(runs: Mapping[str, Run]) -> list[Html]:
    made = {name: run.analysis.calibration for name, run in runs.items()}
    made = {name: one for name, one in made.items() if one.counts.any()}
    if not made:
        return [paragraph('Left out: there are no scores.')]
    return [beside([calibration_plot(made)])]


def _differences(
    first: Run,
    names: tuple[str, str],
    one: Sequence[tuple[np.ndarray, np.ndarray]],
    other: Sequence[tuple[np.ndarray, np.ndarray]],
) -> list[Html]:
    """In words, as a plot and as a table, for each metric.

    Args:
        one, other: of each metric, its values for the columns of `draw_images`, see
            engine.task.Judgement.
    """
    content = []
    judgements = first.analysis.judgements()
    for judgement, (mean_a, each_a), (mean_b, each_b) in zip(judgements, one, other, strict=True):
        whole = difference(mean_a, mean_b)
        changes = [difference(a, b) for a, b in zip(each_a, each_b, strict=True)]
        content += [
            heading(judgement.metric),
            paragraph(verdict(judgement.metric, names, (mean_a[0], mean_b[0]), whole)),
            *_of_classes(first.analysis.classes, names, each_a[:, 0], each_b[:, 0], whole, changes),
        ]
    note = (
        f'Intervals of {100 * LEVEL:.0f} % by the paired bootstrap over the images, '
        f'{len(one[0][0]) - 1} resamples: what other images of the same kind would change. '
        'Another seed of the training may change more. Of 100 classes without any difference '
        'about 5 have an interval without 0.'
    )
    return [*content, paragraph(note, note=True)]


def verdict(
    metric: str, names: tuple[str, str], values: tuple[float, float], change: Difference
) -> str:
    """Whether a metric differs, in words.

    Args:
        names: of both runs.
        values: of both, from 0 to 1.
        change: of the second against the first.
    """
    if np.isnan(change.value):
        return f'{metric} cannot be compared: there is nothing to judge.'
    start = (
        f'{names[1]} has {metric} {100 * values[1]:.1f}, {names[0]} has {100 * values[0]:.1f}. '
        f'The difference of {_signed(change.value)} points, interval {_interval(change)}, is '
    )
    if not change.is_distinct:
        return start + 'not distinguishable from zero: these images do not tell which is better.'
    better = names[change.value > 0]
    return start + f'distinguishable from zero: {better} is better on images of this kind.'


def _of_classes(
    classes: Sequence[str],
    names: tuple[str, str],
    one: np.ndarray,
    other: np.ndarray,
    whole: Difference,
    changes: Sequence[Difference],
) -> list[Html]:
    """Plot and table, the largest differences first."""
    order = sorted(
        (k for k, change in enumerate(changes) if not np.isnan(change.value)),
        key=lambda k: -abs(changes[k].value),
    )
    if not order:
        return []
    rows = [
        [
            name_of(classes[k]),
            f'{_signed(changes[k].value)} {_interval(changes[k])}',
            _percent(one[k]),
            _percent(other[k]),
            ('better' if changes[k].low > 0 else 'worse') if changes[k].is_distinct else '–',
        ]
        for k in order
    ]
    shown = {'all': whole, **{classes[k]: changes[k] for k in order[:_PLOTTED]}}
    points = {
        name: (100 * value, 100 * low, 100 * high) for name, (value, low, high) in shown.items()
    }
    title = f'{names[1]} against {names[0]}'
    plot = intervals(points, title, 'difference in points')
    titles = ['class', 'difference', *map(name_of, names), '']
    return [beside([plot, table(titles, rows)])]


def _images(first: Run, other: Run, names: tuple[str, str], counts: np.ndarray) -> list[Html]:
    """Of how many images which is better, and those that gained and lost most."""
    one, two = first.analysis, other.analysis
    change = two.quality() - one.quality()
    known = ~np.isnan(change)
    if not known.any():
        return [paragraph('There is nothing to judge.')]
    weights = counts[known]
    means = change[known] @ weights / np.maximum(weights.sum(axis=0), 1)
    mean = difference(np.zeros_like(means), means)
    up, down = int((change > 0).sum()), int((change < 0).sum())
    content = [
        paragraph(
            f'The {one.quality_name} of an image is higher with {names[1]} in {up} of '
            f'{len(change)} images, lower in {down} and the same in {len(change) - up - down}; in '
            f'the mean it changes by {_signed(mean.value)} points, interval {_interval(mean)}.'
        )
    ]
    order = [i for i in np.argsort(change, kind='stable').tolist() if known[i]]
    for title, chosen in (
        (f'Gained most with {names[1]}', [i for i in order[::-1] if change[i] > 0]),
        (f'Lost most with {names[1]}', [i for i in order if change[i] < 0]),
    ):
        if chosen and first.picture:
            figures, width = _sheet(first, other, names, first.picture, chosen[:_IMAGES])
            content += [heading(title), beside(figures, width)]
    return content


def _sheet(
    first: Run,
    other: Run,
    names: tuple[str, str],
    pictures: Callable[[int], np.ndarray],
    chosen: Sequence[int],
) -> tuple[list[Html], str]:
    """Pictures of both runs beside each other, or one where they are equal; and their width."""
    figures, width = [], 'thumbnails'
    files = first.analysis.names()
    for i in chosen:
        image = pictures(i)
        drawn = [run.analysis.draw(i, image) for run in (first, other)]
        captions = [
            f'{name}: {run.analysis.caption(i)}'
            for name, run in zip(names, (first, other), strict=True)
        ]
        file = Path(files[i]).name
        if drawn[0] == drawn[1]:
            figures.append(picture(drawn[0], f'{file}. {"; ".join(captions)}', side=220))
        else:
            width = 'pictures'
            figures += [
                picture(one, f'{file}, {caption}', side=900)
                for one, caption in zip(drawn, captions, strict=True)
            ]
    return figures, width


def _percent(share: float) -> str:
    return '–' if np.isnan(share) else f'{100 * share:.1f}'


def _signed(share: float) -> str:
    return f'{100 * share:+.1f}'


def _interval(change: Difference) -> str:
    return f'[{_signed(change.low)}, {_signed(change.high)}]'
