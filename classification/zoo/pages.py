"""The pages of the documentation that hold figures of the zoo.

docs/model_zoo.md is written whole. In other pages the part between two markers is replaced:

    <!-- table: NAME -->
    ...
    <!-- end of table -->

by the table of TABLES that NAME names, or, where NAME is `published columns`, in the table that
stands there the columns whose titles end with `(published)`, each row by its first cell.
"""

import re
from collections.abc import Callable
from pathlib import Path

from ..engine.files.project import PROJECT
from ..visualization.tables import markdown
from . import tables
from .metafiles import TOP1, Counts, Model

ZOO_PAGE = PROJECT / 'docs/model_zoo.md'
PAGES = tuple(
    PROJECT / page
    for page in (
        'docs/mila.md',
        'docs/comparison.md',
        'docs/systems.md',
        'docs/heads.md',
        'docs/study.md',
    )
)
HEAD = """# Model zoo

Made by `python tools/model_zoo.py` from the metafiles that [model-index.yml](../model-index.yml)
lists: change them there.

**Nothing in this repository is trained on ImageNet, COCO or ADE20K.** Figures under "published" are
printed in the papers, for trainings of the papers' authors; "measured" are trainings of this
repository. Parameters and FLOPs are counted by `tools/complexity.py`. The hardware is what a config
is set for; with another number of GPUs or images the learning rate of a classifier follows.

Weights with a name are fetched to where the configs expect them by `python tools/fetch.py NAME`.
Detectors and segmentors start from them; from another file with
`--cfg-options model.backbone.init_cfg.checkpoint=PATH`, from random weights with
`model.backbone.init_cfg=None`. Swin's are downloaded by OpenMMLab's Swin. What is refused, and how
to pin a file's digest: [checkpoints](checkpoints.md).
"""
_BLOCK = re.compile(r'(<!-- table: ([\w -]+) -->\n)(.*?)(<!-- end of table -->)', re.DOTALL)


def write_pages(zoo: list[Model], check: bool = False) -> list[Path]:
    """Bring all pages up to date.

    Args:
        zoo: the models that the pages tell of.
        check: write nothing.

    Returns:
        The pages that were out of date.
    """
    texts = {ZOO_PAGE: zoo_page(zoo, ZOO_PAGE.parent)}
    texts |= {page: fill(page.read_text(), zoo, page.parent) for page in PAGES}
    stale = [page for page, text in texts.items() if not _says(page, text)]
    if not check:
        for page in stale:
            page.write_text(texts[page])
    return stale


def _says(page: Path, text: str) -> bool:
    return page.exists() and page.read_text() == text


def fill(text: str, zoo: list[Model], folder: Path) -> str:
    """A page's text with the tables between its markers replaced.

    Args:
        text: the page as it is.
        zoo: the models that the tables tell of.
        folder: where the page lies, for links to configs.

    Raises:
        KeyError: a marker names no table.
    """

    def replace(block: re.Match) -> str:
        start, name, old, end = block.groups()
        if name == 'published columns':
            return f'{start}{_fill_columns(old, zoo)}{end}'
        return f'{start}{tables.TABLES[name](zoo, folder)}\n{end}'

    return _BLOCK.sub(replace, text)


def zoo_page(zoo: list[Model], folder: Path) -> str:
    """The page of all models, a table for each data set, with the sources of what it says."""
    parts = [HEAD]
    for data in dict.fromkeys(model.training_data for model in zoo):
        parts += [f'## {data}\n', tables.of_data(zoo, data, folder), '']
    results = [(model, result) for model in zoo for result in model.results]
    sources = sorted({c for model, result in results if (c := model.citation(result)) is not None})
    ways = sorted({r.measured for _, r in results if r.measured is not None})
    parts += ['## Sources of the published figures\n', *(f'- {source}' for source in sources)]
    parts += ['\n## How the measured figures came about\n', *(f'- {way}' for way in ways)]
    return '\n'.join(parts) + '\n'


def _fill_columns(table: str, zoo: list[Model]) -> str:
    """A table with the cells below titles that end with '(published)' replaced.

    A row is of the ImageNet classifier that its first cell names by label ('MILA-T'), or by the row
    of the study ('block all').

    Raises:
        KeyError: a row names no such classifier, or a title nothing that is known.
    """
    known = {_label(model): model for model in zoo if model.timm}
    titles, _, *rows = (_cells(line) for line in table.splitlines())
    for row in rows:
        for column, title in enumerate(titles):
            if title.endswith(' (published)'):
                figure = COLUMNS[title.removesuffix(' (published)')]
                row[column] = figure(known[row[0]], known)
    return markdown(titles, rows) + '\n'


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip('|').split('|')]


def _label(model: Model) -> str:
    if model.timm and model.collection.name == 'Study':
        return model.timm.removeprefix('study_').replace('_', ' ')
    return model.label


def _speed(model: Model, known: dict[str, Model]) -> str:
    """Published throughput over that of the study's baseline."""
    here, baseline = (m.published_counts for m in (model, known['baseline']))
    if not (here and here.throughput and baseline and baseline.throughput):
        return ''
    return f'{Counts.number(here.throughput) / Counts.number(baseline.throughput):.2f}'


def _top1(model: Model, known: dict[str, Model]) -> str:
    value = model.published(TOP1)
    return '' if value is None else str(value)


def _parameters(model: Model, _: dict[str, Model]) -> str:
    return (model.published_counts and model.published_counts.parameters) or ''


def _flops(model: Model, _: dict[str, Model]) -> str:
    return (model.published_counts and model.published_counts.flops) or ''


# Title of a column, without '(published)' -> cell of a model; empty where nothing is published.
COLUMNS: dict[str, Callable[[Model, dict[str, Model]], str]] = {
    'parameters': _parameters,
    'FLOPs': _flops,
    'speed': _speed,
    'top-1': _top1,
}
