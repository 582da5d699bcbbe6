"""The model zoo: what the metafiles of configs/ say, read and typed.

The metafiles are the one place where a published figure, a released file or the hardware of a
config is written down; pages, tables and tools read them from here. They are in OpenMMLab's
model-index form, with these keys besides:

- of a collection's `Paper`: `Authors` and `Venue`;
- of a collection: `License` (of the official code), `Needs` (what that code needs besides PyTorch),
  `Recipe` (what of its published trainings is not as MILA's), `Remark` (why something is not here);
- of a model: `Size` (T, S, B, ...), `Timm` (name of the classifier that it is), `Published Counts`
  (as printed in its paper: '24.4 M', and in `Note` why what is counted here is not that), and of
  released weights `Checkpoint` (where configs look for them) and `SHA256` (null: none is
  published), with `Weights: null` where no address of the file is known;
- of a result: `Source` (the collection whose paper prints it: not measured here) or `Measured`
  (where and how it was measured here).

What papers print of models that are not here stands under `Listed`, with the same keys as far as
they apply.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ..engine.files.project import PROJECT

# In the order in which pages show them. model-index.yml lists the same for OpenMMLab's tools; it is
# not in an installed package.
FILES = tuple(
    PROJECT / 'configs' / folder / 'metafile.yml'
    for folder in ('classification', 'detection', 'segmentation', 'study', 'quickstart')
)
TOP1 = 'Top 1 Accuracy'
Entry = TypeVar('Entry')
_SAFE = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)  # eight times as fast, where it was built


class ZooError(ValueError):
    """A metafile that does not have the form described above, in one sentence."""


@dataclass(frozen=True)
class Collection:
    """A family of models: its name and, where it has one of its own, its paper.

    Attributes:
        name, title, url, authors, venue: of the family and its paper.
        code: address of the official code.
        license: of the official code.
        needs: what the official code needs besides PyTorch and OpenMMLab.
        recipe: what of its published trainings is not as MILA's.
        remark: why something of it is not here.
    """

    name: str
    title: str | None = None
    url: str | None = None
    authors: str | None = None
    venue: str | None = None
    code: str | None = None
    license: str | None = None
    needs: str | None = None
    recipe: str | None = None
    remark: str | None = None

    @property
    def citation(self) -> str:
        """The paper in one line: 'Liu et al., "VMamba: ...", NeurIPS 2024'."""
        return f'{self.authors}, "{self.title}", {self.venue}'


@dataclass(frozen=True)
class Result:
    """Metrics of a model on a data set: published by a paper, or measured here.

    Attributes:
        task: 'Image Classification', 'Object Detection', ...
        dataset: name of the data set.
        metrics: name -> value, in per cent (APs times 100).
        source: of published metrics the collection whose paper prints them, else None.
        measured: of metrics measured here where and how, else None.
    """

    task: str
    dataset: str
    metrics: dict[str, float]
    source: Collection | None
    measured: str | None

    @property
    def published(self) -> bool:
        """Whether a paper prints the metrics; if not, they were measured here."""
        return self.source is not None


@dataclass(frozen=True)
class Counts:
    """What a model's paper prints beside its accuracy, as it is printed: '24.4 M', '4.2 G'."""

    parameters: str | None
    flops: str | None
    throughput: str | None  # on the GPU of the paper
    note: str | None = None  # why what is counted here is not that

    @staticmethod
    def number(text: str) -> float:
        """The value of a printed count: '4.2 G' -> 4.2e9, '1152 images/s' -> 1152.0."""
        value, _, unit = text.partition(' ')
        return float(value) * {'M': 1e6, 'G': 1e9}.get(unit, 1.0)


@dataclass(frozen=True)
class Release:
    """A file of released weights.

    Attributes:
        url: where its authors put it, or None where that is not known.
        checkpoint: where the configs look for it, relative to the repository.
        sha256: digest of the file, or None where its authors publish none.
    """

    url: str | None
    checkpoint: Path
    sha256: str | None

    @property
    def name(self) -> str:
        """The name that tools/fetch.py knows it by: 'mila_tiny'."""
        return self.checkpoint.stem


@dataclass(frozen=True)
class Listed:
    """A model as papers print it.

    Attributes:
        name: unique; that of the config's file where it has one.
        collection: the family that it belongs to.
        size: T, S, B, ..., or None where the family has no sizes.
        training_data: the data set that it is trained on.
        published_counts: what its paper prints, or None.
        results: published and measured ones.
    """

    name: str
    collection: Collection
    size: str | None
    training_data: str
    published_counts: Counts | None
    results: tuple[Result, ...]

    @property
    def label(self) -> str:
        """The name in tables: 'MILA-T'."""
        return f'{self.collection.name}-{self.size}' if self.size else self.name

    def citation(self, result: Result) -> str | None:
        """The paper that prints a result, 'as listed by' one that is not the model's own."""
        if result.source is None:
            return None
        own = self.collection.title is None or result.source == self.collection
        return result.source.citation if own else f'as listed by {result.source.citation}'

    def published(self, metric: str) -> float | None:
        """The published value of a metric, or None."""
        return self._figure(metric, published=True)

    def measured(self, metric: str) -> float | None:
        """The value of a metric that was measured here, or None."""
        return self._figure(metric, published=False)

    def _figure(self, metric: str, published: bool) -> float | None:
        for result in self.results:
            if result.published is published and metric in result.metrics:
                return result.metrics[metric]
        return None


@dataclass(frozen=True)
class Model(Listed):
    """An entry of the zoo: a config, a released file, or a classifier with published figures.

    Attributes:
        config: path of the config relative to the repository, or None.
        timm: name of the classifier that `timm.create_model` builds, or None.
        training_resources: GPUs (or CPU cores) and images per step of a config, or None.
        parameters: counted by tools/complexity.py.
        flops: counted by tools/complexity.py, a multiply-add as one, for `shape`.
        shape: (height, width) in pixels.
        release: its released weights, or None.
    """

    config: str | None
    timm: str | None
    training_resources: str | None
    parameters: int
    flops: int
    shape: tuple[int, int]
    release: Release | None


def models(files: Sequence[Path] = FILES) -> list[Model]:
    """The entries of metafiles, in their order.

    Raises:
        ZooError: a metafile without the expected form.
    """
    return _entries(files, 'Models', _model)


def listed(files: Sequence[Path] = FILES) -> list[Listed]:
    """What papers print of models that are not here, in the order of the metafiles.

    Raises:
        ZooError: a metafile without the expected form.
    """
    return _entries(files, 'Listed', _listed)


def released(zoo: list[Model]) -> dict[str, Model]:
    """Name of released weights -> the model that they are of."""
    return {model.release.name: model for model in zoo if model.release}


def published_top1(zoo: list[Model]) -> dict[str, dict[str, float]]:
    """Published ImageNet top-1 in per cent: collection -> timm name of the model -> value."""
    figures: dict[str, dict[str, float]] = {}
    for model in zoo:
        top1 = model.published(TOP1)
        if model.timm and top1 is not None:
            figures.setdefault(model.collection.name, {})[model.timm] = top1
    return figures


def _entries(
    files: Sequence[Path], key: str, read: Callable[[dict[str, Any], dict[str, Collection]], Entry]
) -> list[Entry]:
    metafiles = [yaml.load(file.read_text(), _SAFE) for file in files]
    families = {}
    for metafile in metafiles:
        for entry in metafile.get('Collections', []):
            families[entry['Name']] = _collection(entry)
    found = []
    for file, metafile in zip(files, metafiles, strict=True):
        for entry in metafile.get(key, []):
            try:
                found.append(read(dict(entry), families))
            except KeyError as error:
                name = entry.get('Name', 'an entry without Name')
                raise ZooError(f'{file}: {name}: {error.args[0]} is missing or unknown.') from error
    return found


def _collection(entry: dict[str, Any]) -> Collection:
    paper = entry.get('Paper', {})
    return Collection(
        name=entry['Name'],
        title=paper.get('Title'),
        url=paper.get('URL'),
        authors=paper.get('Authors'),
        venue=paper.get('Venue'),
        code=entry.get('Code', {}).get('URL'),
        license=entry.get('License'),
        needs=entry.get('Needs'),
        recipe=entry.get('Recipe'),
        remark=entry.get('Remark'),
    )


def _listed(entry: dict[str, Any], families: dict[str, Collection]) -> Listed:
    """What is printed of a model; its entry is emptied: whatever is left over is a mistake."""
    metadata = dict(entry.pop('Metadata'))
    found = Listed(training_data=metadata.pop('Training Data'), **_printed(entry, families))
    _refuse(entry)
    _refuse(metadata)
    return found


def _model(entry: dict[str, Any], families: dict[str, Collection]) -> Model:
    """A model from its entry, which is emptied: whatever is left over is a mistake."""
    metadata = dict(entry.pop('Metadata'))
    height, width = map(int, metadata.pop('FLOPs Shape').split('x'))
    model = Model(
        config=entry.pop('Config', None),
        timm=entry.pop('Timm', None),
        training_data=metadata.pop('Training Data'),
        training_resources=metadata.pop('Training Resources', None),
        parameters=metadata.pop('Parameters'),
        flops=metadata.pop('FLOPs'),
        shape=(height, width),
        release=_release(entry) if 'Weights' in entry else None,
        **_printed(entry, families),
    )
    _refuse(entry)
    _refuse(metadata)
    return model


def _printed(entry: dict[str, Any], families: dict[str, Collection]) -> dict[str, Any]:
    return dict(
        name=entry.pop('Name'),
        collection=families[entry.pop('In Collection')],
        size=entry.pop('Size', None),
        published_counts=_counts(entry.pop('Published Counts', None)),
        results=tuple(_result(dict(result), families) for result in entry.pop('Results', [])),
    )


def _counts(entry: dict[str, str] | None) -> Counts | None:
    if entry is None:
        return None
    entry = dict(entry)
    counts = Counts(
        *(entry.pop(key, None) for key in ('Parameters', 'FLOPs', 'Throughput', 'Note'))
    )
    _refuse(entry)
    return counts


def _result(entry: dict[str, Any], families: dict[str, Collection]) -> Result:
    source, measured = entry.pop('Source', None), entry.pop('Measured', None)
    if (source is None) == (measured is None):
        raise KeyError('Source or Measured (one of the two)')
    result = Result(
        entry.pop('Task'),
        entry.pop('Dataset'),
        entry.pop('Metrics'),
        families[source] if source else None,
        measured,
    )
    _refuse(entry)
    return result


def _release(entry: dict[str, Any]) -> Release:
    sha256 = entry.pop('SHA256')
    if sha256 is not None and not re.fullmatch('[0-9a-f]{64}', str(sha256)):
        raise KeyError('SHA256 (64 hexadecimal digits in quotes, or null)')
    return Release(entry.pop('Weights'), Path(entry.pop('Checkpoint')), sha256)


def _refuse(rest: dict[str, Any]) -> None:
    """What is left of an entry when all that is known was taken out: nothing."""
    if rest:
        raise KeyError(' and '.join(rest))
