"""Problems found once are kept, until a file that was checked changes."""

import gc
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..problems.problem import Problem, Severity

# The code that finds problems: what was found counts no more once any of it changes.
_SOURCES = Path(__file__).parents[1]


def cached(
    paths: Iterable[Path], settings: Any, find: Callable[[], list[Problem]]
) -> list[Problem]:
    """What `find` gives, or gave for the same files, settings and code; harmless ones left out.

    Args:
        paths: files, and folders with all in them, that decide the answer: names, sizes and times.
        settings: what else decides it, of which the repr is taken.
        find: finds the problems.
    """
    file = _folder() / f'{_fingerprint(paths, settings)}.json'
    try:
        return [_problem(record) for record in json.loads(file.read_text())]
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        pass
    with _no_garbage_collection():
        found = [problem for problem in find() if problem.severity > Severity.HARMLESS]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f'.{os.getpid()}')
        partial.write_text(json.dumps([asdict(problem) for problem in found], default=str))
        partial.replace(file)
    except OSError:  # a full or read-only disk: the next start checks again
        pass
    return found


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Millions of records are no garbage, and looking through them again and again takes long."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _folder() -> Path:
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(home) / 'mila-toolkit' / 'checks'


def _problem(record: dict[str, Any]) -> Problem:
    changes = dict(severity=Severity(record['severity']), file=Path(record['file']))
    return Problem(**{**record, **changes})


def _fingerprint(paths: Iterable[Path], settings: Any) -> str:
    known = hashlib.sha256(repr(settings).encode())
    for source in sorted(_SOURCES.rglob('*.py')):
        known.update(source.read_bytes())
    for path in paths:
        known.update(repr(str(path.absolute())).encode())
        for name, size, changed in sorted(_states(str(path))):
            known.update(f'{name!r} {size} {changed}\n'.encode(errors='surrogateescape'))
    return known.hexdigest()


def _states(path: str) -> Iterable[tuple[str, int, int]]:
    """(path, size, time of change) of a file, or of all files below a folder."""
    if not os.path.isdir(path):
        state = os.stat(path) if os.path.exists(path) else None
        yield (path, state.st_size, state.st_mtime_ns) if state else (path, -1, -1)
        return
    seen: set[str] = set()
    for place, folders, files in os.walk(path, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders[:] = []
            continue
        seen.add(real)
        for name in files:
            file = os.path.join(place, name)
            try:
                state = os.stat(file)
            except OSError:  # a dangling link
                yield file, -1, -1
            else:
                yield file, state.st_size, state.st_mtime_ns
