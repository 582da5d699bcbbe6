"""Predict very many images by many processes: shards of work, each with one file of results.

The folder `shards` of an output folder holds plan.json, which says what is predicted and how, and
a file of JSON lines for each shard that is complete, such as 000012.jsonl: a line per image in
order, {"file_name", "results": {format: record}} or {"file_name", "error": reason}. A shard is the
images of a tar file, or a fixed number of others. Shards are dealt to the ranks in turn, by number
alone, so processes need not know each other; one that is started again passes over what is there.
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...results import Result
from ...results.writer import RecordWriter, ResultsWriter
from ..errors import DataError, UsageError, one_line, printable
from ..files.atomic import written_once
from ..machine.faults import machine_faults
from .base import ImagePredictor
from .files import choose_formats, save_overlay
from .source import Source
from .sources import Found

FOLDER, PLAN = 'shards', 'plan.json'
# Errors of a file that are due to its name, which is an image's.
_OF_NAMES = (errno.ENAMETOOLONG, errno.EINVAL, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


class Done(NamedTuple):
    """What became of the shards of a process.

    Attributes:
        shards: how many it has written.
        images: how many were in these.
        failed: how many of the images have no results.
        missing: how many shards of all processes are not complete yet.
    """

    shards: int
    images: int
    failed: int
    missing: int


class Shards:
    """Images as shards of work: a number of images each, then the tar files.

    Args:
        found: what `find_sources` gives, without videos.
        size: how many images a shard has; of a tar file all.

    Raises:
        UsageError: there are videos, which are read as a whole, or the size is not possible.
    """

    def __init__(self, found: Found, size: int):
        if size < 1:
            raise UsageError(f'Shards of {size} images are not possible: give 1 or more.')
        if found.frame_count != 0:
            raise UsageError('Videos and cameras are not dealt over processes: use one.')
        self.images, self.tars, self.size = found.images, found.tars, size
        self._slices = -(-len(self.images) // size)

    def __len__(self) -> int:
        return self._slices + len(self.tars)

    def __getitem__(self, number: int) -> Iterator[Source]:
        """The images of a shard."""
        if number >= self._slices:
            return iter(self.tars[number - self._slices])
        stop = min(len(self.images), (number + 1) * self.size)
        return map(self.images.__getitem__, range(number * self.size, stop))

    def fingerprint(self) -> str:
        """Hex digest of which images are in which shard, by names and sizes of tar files."""
        digest = hashlib.sha256(f'{self.size}\n'.encode())
        for source in self.images:
            digest.update(f'{source.file_name}\n'.encode(errors='surrogateescape'))
        for tar in self.tars:
            text = f'{tar.path} {os.path.getsize(tar.path)}\n'
            digest.update(text.encode(errors='surrogateescape'))
        return digest.hexdigest()


def shard_file(out: Path, number: int) -> Path:
    """The file of a shard's results."""
    return out / FOLDER / f'{number:06d}.jsonl'


def predict_shards(
    predictor: ImagePredictor,
    shards: Shards,
    out: str | os.PathLike,
    rank: int = 0,
    processes: int = 1,
    batch_size: int = 1,
    score_thr: float = 0.3,
    formats: Sequence[str] = (),
    overlays: bool = False,
) -> Done:
    """Predict a process's shards that are not complete yet.

    Formats of a file per image are written into `out` as they come, of the others the records into
    the shards.

    Args:
        predictor: what predicts them.
        shards: those of all processes.
        out: the folder, new, empty, or of the same run before.
        rank, processes: this one, and how many there are.
        batch_size: as `ImagePredictor.stream`.
        score_thr, formats, overlays: as `predict_files`.

    Raises:
        UsageError: `out` holds something else or another run's shards; the task has no such
            format; or the machine fails.
        DataError: a model fails on all images of a shard.
    """
    out = Path(out)
    kinds = choose_formats(predictor, formats)
    plan = {
        'version': 1,
        'model': predictor.fingerprint(),
        'images': shards.fingerprint(),
        'shards': len(shards),
        'classes': [*predictor.classes],
        'formats': {name: kind.__name__ for name, kind in kinds.items()},
        'score_thr': score_thr,
        'tile': predictor.tile,
    }
    with machine_faults(out):
        _settle(out, plan)
        writers = {name: kind(out, predictor.classes, score_thr) for name, kind in kinds.items()}
        there = {entry.name for entry in os.scandir(out / FOLDER)}
        dealt = range(rank, len(shards), processes)
        own = [number for number in dealt if shard_file(out, number).name not in there]
        start, images, failed = time.monotonic(), 0, 0
        for done, number in enumerate(own, start=1):
            if shard_file(out, number).exists():  # of another run beside this one
                continue
            outcomes = predictor.stream(shards[number], batch_size)
            some, bad = _write_shard(out, number, outcomes, writers, overlays, score_thr)
            images, failed = images + some, failed + bad
            spent = time.monotonic() - start
            print(
                f'Rank {rank} of {processes}: {done} of {len(own)} shards, '
                f'{images / spent:.1f} images/s, '
                f'{_duration(spent / done * (len(own) - done))} left',
                flush=True,
            )
        return Done(len(own), images, failed, len(missing_shards(out, len(shards))))


def read_plan(out: Path) -> dict[str, Any]:
    """The plan of a folder.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = out / FOLDER / PLAN
    try:
        plan = json.loads(path.read_text(encoding='utf-8'))
        if not isinstance(plan, dict):
            raise ValueError
    except OSError as error:
        raise UsageError(
            f'{path} cannot be read ({error.strerror}): give the folder of a run with shards.'
        ) from None
    except ValueError:
        raise UsageError(f'{path} is damaged: remove {path.parent} and start anew.') from None
    return plan


def missing_shards(out: Path, count: int) -> list[int]:
    """Numbers of the shards that are not complete, of `count`."""
    there = {entry.name for entry in os.scandir(out / FOLDER)}
    return [number for number in range(count) if shard_file(out, number).name not in there]


def _settle(out: Path, plan: Mapping[str, Any]) -> None:
    """Write the plan where there is none, and else compare it."""
    out.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in out.iterdir()}
    if names and FOLDER not in names:
        raise UsageError(f'{out} is not empty: choose another folder, or empty it.')
    path = out / FOLDER / PLAN
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        with written_once(path) as partial:
            partial.write_text(json.dumps(plan, indent=1) + '\n', encoding='utf-8')
    found = read_plan(out)
    for name, value in plan.items():
        if found.get(name) != value:
            raise UsageError(
                f'{out} was begun with other {name} than this command has: repeat the first '
                'command, or choose another folder.'
            )


def _write_shard(
    out: Path,
    number: int,
    outcomes: Iterator[tuple[Source, Result | Exception]],
    writers: Mapping[str, ResultsWriter],
    overlays: bool,
    score_thr: float,
) -> tuple[int, int]:
    """(number of images, how many of them failed) of a shard, which is complete then.

    Raises:
        DataError: none could be predicted, and not for what the images are.
    """
    images, failed, fault = 0, 0, None
    with (
        written_once(shard_file(out, number)) as partial,
        partial.open('w', encoding='utf-8') as file,
    ):
        for source, outcome in outcomes:
            images += 1
            line: dict[str, Any] = {'file_name': source.file_name}
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                line['results'] = _records(source, outcome, writers)
                if overlays:
                    save_overlay(outcome, source, out, score_thr)
            except Exception as error:
                if isinstance(error, OSError) and error.errno not in _OF_NAMES:
                    raise  # the disk, not the image
                line = {'file_name': source.file_name, 'error': reason(error)}
                failed += 1
                if not isinstance(error, DataError):
                    fault = error
            file.write(json.dumps(line) + '\n')
        if images and failed == images and fault is not None:
            # Such as a GPU that has failed: all that follows would fail with it.
            raise DataError(
                f'No image of shard {number} could be predicted ({reason(fault)}): cure this and '
                'start again, what is complete stays.'
            )
    return images, failed


def _records(
    source: Source, result: Result, writers: Mapping[str, ResultsWriter]
) -> dict[str, Any]:
    """The records of an image by format; what has none is written as a file."""
    records = {}
    for name, writer in writers.items():
        if isinstance(writer, RecordWriter):
            records[name] = writer.record(source.file_name, result)
        else:
            writer.add(source.file_name, source.name, result)
    return records


def reason(error: Exception) -> str:
    """Why an image has no results, in a line."""
    if isinstance(error, DataError):  # which names the file
        return str(error)
    return printable(f'{type(error).__name__}: {one_line(error, 200)}')


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{rest:02d}'
