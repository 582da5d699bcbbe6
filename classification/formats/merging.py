"""The shards of many processes put together, as one process writes their images."""

import json
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..engine.errors import UsageError, shorten_list
from ..engine.files.atomic import remove_leftovers
from ..engine.machine.faults import machine_faults
from ..engine.machine.locks import locked
from ..engine.prediction.shards import FOLDER, missing_shards, read_plan, shard_file
from ..results.writer import RecordWriter
from . import FORMATS

_KINDS = {kind.__name__: kind for kinds in FORMATS.values() for kind in kinds.values()}


class Merged(NamedTuple):
    """What became of shards.

    Attributes:
        done: how many images have results.
        failed: a sentence for each of the others, the first hundred.
        failures: how many there are.
        files: names of the files that were written.
    """

    done: int
    failed: list[str]
    failures: int
    files: list[str]


def merge_shards(out: str | os.PathLike) -> Merged:
    """Write results.json and results.csv of a folder's shards, whole or not at all.

    The shards stay. Formats of a file per image are complete already.

    Raises:
        UsageError: shards are missing or damaged, there are none, another process merges them, or
            the machine fails.
    """
    out = Path(out)
    plan = read_plan(out)
    try:
        count, classes = int(plan['shards']), list(plan['classes'])
        kinds = {name: _KINDS[kind] for name, kind in plan['formats'].items()}
        score_thr = float(plan['score_thr'])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UsageError(
            f'{out} has a plan of another version: merge with the version that predicted.'
        ) from None
    with machine_faults(out), locked(out):
        if missing := missing_shards(out, count):
            raise UsageError(
                f'{len(missing)} of {count} shards are missing in {out} '
                f'({shorten_list(missing)}): start the command that predicts again.'
            )
        remove_leftovers(out / FOLDER)  # of processes that were killed
        work = out / FOLDER / 'merging'
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        writers = {
            name: kind(work, classes, score_thr)
            for name, kind in kinds.items()
            if issubclass(kind, RecordWriter)
        }
        done, failed, failures = 0, [], 0
        for number in range(count):
            for line in _lines(shard_file(out, number), writers):
                if 'error' in line:
                    failures += 1
                    if failures <= 100:
                        failed.append(str(line['error']).rstrip('.'))
                    continue
                done += 1
                for name, writer in writers.items():
                    writer.put(line['results'][name])
        for writer in writers.values():
            writer.finish()
        files = sorted(path.name for path in work.iterdir())
        for name in files:
            os.replace(work / name, out / name)
        work.rmdir()
    return Merged(done, failed, failures, files)


def _lines(path: Path, formats: Collection[str]) -> Iterator[dict[str, Any]]:
    """The lines of a shard, which have an error or a record for each of the formats.

    Raises:
        UsageError: one is not what it should be.
    """
    with path.open(encoding='utf-8') as file:
        for text in file:
            try:
                line = json.loads(text)
                if 'error' not in line and not set(formats) <= set(line['results']):
                    raise ValueError
            except (ValueError, KeyError, TypeError):
                raise UsageError(
                    f'{path} is damaged: remove it, and start the command that predicts again.'
                ) from None
            yield line
