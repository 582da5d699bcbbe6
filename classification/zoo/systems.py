"""The zoo's tables of all systems: every family and size, whatever head a paper put behind it."""

import json
import math
import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from ..engine.files.project import PROJECT
from ..visualization.tables import cost, markdown
from .metafiles import TOP1, Collection, Counts, Listed, Model, listed

# Bounds of the classifiers' parameters, in millions: title of a table -> from, below.
SCALES = {
    'systems below 20 M': (0, 20),
    'systems of 20 to 33 M': (20, 33),
    'systems of 33 to 60 M': (33, 60),
    'systems above 60 M': (60, 1000),
}
# Column -> (pattern of the names, metrics) of what stands in it. ImageNet's names have no pattern.
COLUMNS = {
    'top-1': ('*', (TOP1,)),
    '1x box / mask AP': ('mask-rcnn_*_1x_coco', ('box AP', 'mask AP')),
    '3x box / mask AP': ('mask-rcnn_*-3x_coco', ('box AP', 'mask AP')),
    'mIoU single / multi-scale': ('upernet_*_ade20k-512x512', ('mIoU', 'mIoU (ms+flip)')),
}
# benchmark.json of the command that docs/systems.md gives.
MEASURED = PROJECT / 'docs/measured/systems.json'
System = dict[str, Listed]  # column -> the entry that it shows


def systems(entries: Sequence[Listed]) -> list[System]:
    """The entries of each family and size that has one in a column, in the order of the entries."""
    found: dict[tuple[str, str], System] = {}
    for entry in entries:
        for column, (pattern, metrics) in COLUMNS.items():
            known = any(metric in result.metrics for result in entry.results for metric in metrics)
            shown = known if pattern == '*' else fnmatch(entry.name, pattern)
            if shown and entry.size and entry.collection.name != 'Study':
                found.setdefault((entry.collection.name, entry.size), {})[column] = entry
    return list(found.values())


def classifiers(entries: Sequence[Model]) -> list[str]:
    """The names in timm of all systems that are here."""
    found = (system.get('top-1') for system in systems(entries))
    return [model.timm for model in found if isinstance(model, Model) and model.timm]


def of_scale(zoo: Sequence[Model], folder: Path, low: float, high: float) -> str:
    """The systems whose classifiers have from `low` to `high` million parameters, the best first.

    Args:
        zoo: the models.
        folder: where the page lies, for links to configs.
        low, high: millions of parameters.
    """
    titles = ('system', 'parameters', 'FLOPs at 224', *COLUMNS, 'figures from')
    rows = []
    for system in systems(zoo):
        classifier = system.get('top-1')
        if isinstance(classifier, Model) and low <= classifier.parameters / 1e6 < high:
            counts = (
                f'{classifier.parameters / 1e6:.1f} M{_note(classifier.published_counts)}',
                f'{classifier.flops / 1e9:.1f} G',
            )
            cells = [_linked(system.get(column), column, folder) for column in COLUMNS]
            rows.append((classifier.label, *counts, *cells, _sources(system)))
    return markdown(titles, sorted(rows, key=lambda row: float(row[3]), reverse=True))


def not_here(zoo: Sequence[Model], folder: Path) -> str:
    """The systems that papers print and that have no model here, with the reason."""
    rows = [
        (
            label(system),
            *(_figures(system.get(column), column) for column in COLUMNS),
            _sources(system),
            family(system).remark or '',
        )
        for system in systems(listed())
    ]
    return markdown(('system', *COLUMNS, 'figures from', 'why it is not here'), rows)


def measured(zoo: Sequence[Model], folder: Path) -> str:
    """Time and memory by size of the image, the fastest at the largest size first.

    They are those of MEASURED; the page says how they were measured.
    """
    costs: dict[str, dict[tuple[int, int], dict]] = {}
    for case in json.loads(MEASURED.read_text())['cases']:
        costs.setdefault(case['model'], {})[tuple(case['size'])] = case
    sizes = sorted({size for cases in costs.values() for size in cases}, key=math.prod)
    known = {model.timm: model for model in zoo}
    rows = []
    for name in sorted(costs, key=lambda name: _seconds(costs[name][sizes[-1]])):
        model = known[name]
        counts = (f'{model.published(TOP1)}', f'{model.parameters / 1e6:.1f} M')
        rows.append((model.label, *counts, *(_cost(costs[name][size]) for size in sizes)))
    titles = (f'{height}x{width}: ms (MB)' for height, width in sizes)
    return markdown(('system', 'top-1', 'parameters', *titles), rows)


def _seconds(case: dict) -> float:
    return math.inf if case['error'] else case['median']


def _cost(case: dict) -> str:
    if case['error']:
        return 'refused'
    return cost(case['median'], case['memory'])


def needs(zoo: Sequence[Model], folder: Path) -> str:
    """What the official code of each family needs, its licence, and what of its recipe differs."""
    families = {family(system).name: family(system) for system in systems(zoo)}
    titles = ('family', 'paper', "licence of the authors' code", 'what that code needs')
    rows = [
        (
            f'[{c.name}]({c.code})' if c.code else c.name,
            f'[{c.authors}, {c.venue}]({c.url})' if c.url else f'{c.authors}, {c.venue}',
            c.license or '',
            c.needs or '',
        )
        for c in families.values()
    ]
    return markdown(titles, rows)


def recipes(zoo: Sequence[Model], folder: Path) -> str:
    """What of each family's published trainings is not as MILA's, and what of it is not here."""
    families = {family(system).name: family(system) for system in systems(zoo)}
    rows = [
        (c.name, c.recipe or '', c.remark or '') for c in families.values() if c.recipe or c.remark
    ]
    return markdown(('family', "what is not as in MILA's recipe", 'what to know here'), rows)


def notes(zoo: Sequence[Model], folder: Path) -> str:
    """Why counts are not those that are printed."""
    rows = [
        (
            model.name,
            *(f'{counted} ({printed or "none"})' for counted, printed in _counts(model, counts)),
            counts.note,
        )
        for model in zoo
        if (counts := model.published_counts) and counts.note
    ]
    titles = ('model', 'parameters (printed)', 'FLOPs (printed)', 'why they differ')
    return markdown(titles, rows)


def label(system: System) -> str:
    """The name of a system, 'RAVLT-T'."""
    return next(iter(system.values())).label


def family(system: System) -> Collection:
    """The family of a system."""
    return next(iter(system.values())).collection


def _counts(model: Model, counts: Counts) -> tuple[tuple[str, str | None], ...]:
    return (
        (f'{model.parameters / 1e6:.1f} M', counts.parameters),
        (f'{model.flops / 1e9:.1f} G', counts.flops),
    )


def _note(counts: Counts | None) -> str:
    return ' *' if counts and counts.note else ''


def _linked(entry: Listed | None, column: str, folder: Path) -> str:
    """The figures of an entry, linked to its config; 'config' where none are published."""
    text = _figures(entry, column)
    if not isinstance(entry, Model) or entry.config is None or column == 'top-1':
        return text
    return f'[{text or "config"}]({os.path.relpath(PROJECT / entry.config, folder)})'


def _figures(entry: Listed | None, column: str) -> str:
    values = [entry.published(metric) for metric in COLUMNS[column][1]] if entry else []
    return ' / '.join(str(value) for value in values if value is not None)


def _sources(system: System) -> str:
    """'its paper', and of figures that another paper lists which."""
    others: dict[str, list[str]] = {}
    for column, entry in system.items():
        for name in {r.source.name for r in entry.results if r.source} - {entry.collection.name}:
            others.setdefault(name, []).append(column.split()[0])
    cited = [f"{', '.join(columns)}: {name}'s" for name, columns in others.items()]
    own = any(r.source == entry.collection for entry in system.values() for r in entry.results)
    return '; '.join([*(['its own paper'] if own else []), *cited])
