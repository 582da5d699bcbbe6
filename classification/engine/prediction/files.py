"""Predict many images into a folder: overlays, and results in files for programs."""

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ...results import Result
from ...results.writer import ResultsWriter
from ..errors import UsageError
from ..machine.faults import machine_faults
from ..machine.locks import LOCK, locked
from .base import ImagePredictor
from .source import Source


class Predicted(NamedTuple):
    """What became of the images of `predict_files`.

    Attributes:
        done: how many have results.
        bare: how many of these have overlays without anything drawn.
        failed: file name -> why it could not be predicted or written.
    """

    done: int
    bare: int
    failed: dict[str, Exception]


def predict_files(
    predictor: ImagePredictor,
    sources: Iterable[Source],
    out: str | os.PathLike,
    batch_size: int = 1,
    score_thr: float = 0.3,
    formats: Sequence[str] = (),
    count: int | None = None,
    overlays: bool = True,
) -> Predicted:
    """Predict images and write results and overlays into the folder `out` as they come.

    Args:
        predictor: what predicts them.
        sources: the images, with their names in `out`.
        out: the folder, new or empty.
        batch_size: as `ImagePredictor.stream`.
        score_thr: least score of the instances in the overlays, and in files without scores.
        formats: of the task's; by default its first.
        count: how many images there are, where that is known.
        overlays: whether these are written.

    Raises:
        UsageError: there are files in `out`, another process writes there, or the task has no such
            format.
    """
    out, done, bare = Path(out), 0, 0
    failed: dict[str, Exception] = {}
    kinds = choose_formats(predictor, formats)
    with machine_faults(out), locked(out):
        if any(path.name != LOCK for path in out.iterdir()):
            raise UsageError(f'{out} is not empty: choose another folder, or empty it.')
        writers: list[ResultsWriter] = [
            kind(out, predictor.classes, score_thr) for kind in kinds.values()
        ]
        try:
            with _progress(count) as bar:
                for source, outcome in predictor.stream(sources, batch_size):
                    try:
                        if isinstance(outcome, Exception):
                            raise outcome
                        for writer in writers:
                            writer.add(source.file_name, source.name, outcome)
                        if overlays:
                            save_overlay(outcome, source, out, score_thr)
                            bare += outcome.is_bare(score_thr)
                        done += 1
                    except Exception as error:
                        failed[source.file_name] = error
                    bar.update()
        finally:
            for writer in writers:  # after an interruption too
                writer.finish()
    return Predicted(done, bare, failed)


def choose_formats(
    predictor: ImagePredictor, names: Sequence[str]
) -> Mapping[str, type[ResultsWriter]]:
    """The formats of these names, of none the task's first.

    Raises:
        UsageError: the task has no such format.
    """
    kinds = predictor.formats
    if unknown := sorted(set(names) - set(kinds)):
        raise UsageError(f'The formats of this task are {", ".join(kinds)}, not {unknown[0]}.')
    return {name: kinds[name] for name in names or [*kinds][:1]}


def save_overlay(result: Result, source: Source, out: Path, score_thr: float) -> None:
    """Draw a result into the folder `out`, as PNG where the image is one, else as JPEG."""
    suffix = '.png' if source.file_name.lower().endswith('.png') else '.jpg'
    file = out / 'overlays' / f'{source.name}{suffix}'
    file.parent.mkdir(parents=True, exist_ok=True)
    result.draw(score_thr).save(file)


class _NoProgress:
    """In place of tqdm's bar where tqdm is not installed."""

    def __enter__(self) -> '_NoProgress':
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self) -> None:
        pass


def _progress(count: int | None) -> Any:
    """A bar to update after each of `count` images."""
    if find_spec('tqdm') is None:
        return _NoProgress()
    from tqdm import tqdm

    return tqdm(total=count, desc='predict', unit='image')
