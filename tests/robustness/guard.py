"""Runs cases in guarded processes: each in a fork of its own, with limits of memory and time.

A module of cases has

    TITLE = 'checkpoint files'                      # its row in the table
    TIME_LIMIT = 20                                 # seconds per case, optional
    MEMORY_LIMIT = 2 << 30                          # bytes per case beyond what is loaded, optional
    def cases(count: int, seed: int) -> list[str]   # names, which with the seed determine the cases
    def run(name: str, seed: int, folder: Path) -> str

`run` makes an input in an empty folder, uses it as a tool would, and judges: 'right', 'silent'
(taken and wrong), 'wrongly refused', or 'unknowable' (no reader could notice it). An error of the
project that leaves it counts as refused. All else that can happen is named here.
"""

import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from classification.engine.errors import CheckpointError, DataError, Stopped, UsageError

ROOT = Path(__file__).resolve().parents[2]
GOOD = ('right', 'refused', 'unknowable')
BAD = ('silent', 'wrongly refused', 'traceback', 'crash', 'hang', 'memory')

_REFUSALS = (UsageError, DataError, CheckpointError, Stopped)
# What torch, numpy and the system say where memory ends.
_NO_MEMORY = ("can't allocate memory", 'not enough memory', 'bad_alloc', 'Unable to allocate')


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        name: the case.
        outcome: one of GOOD or BAD.
        detail: the error, the signal, or ''.
    """

    name: str
    outcome: str
    detail: str = ''


def run_cases(module: str, names: Sequence[str], seed: int) -> Iterator[Outcome]:
    """Run cases of a module, such as 'tests.robustness.checkpoints', one after another.

    A fresh Python imports the module once and forks for each case: threads of this process, which
    a fork would not survive, are not in the way.
    """
    command = [sys.executable, '-m', 'tests.robustness.guard', module, str(seed)]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(list(names)))
        process.stdin.close()
        for line in process.stdout:
            yield Outcome(**json.loads(line))
    if process.returncode:
        raise RuntimeError(f'{module} ended with exit code {process.returncode}.')


def guarded(module: ModuleType, name: str, seed: int) -> Outcome:
    """Fork, run a case in the child, and name what became of it."""
    folder = Path(tempfile.mkdtemp(prefix='case-'))
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _run_child(module, name, seed, folder, writer)
    os.close(writer)
    try:
        status = _wait(child, getattr(module, 'TIME_LIMIT', 20))
        with os.fdopen(reader) as pipe:
            said = pipe.read() if status is not None else ''
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if status is None:
        return Outcome(name, 'hang')
    if os.WIFSIGNALED(status):
        return Outcome(name, 'crash', signal.Signals(os.WTERMSIG(status)).name)
    if not said:
        return Outcome(name, 'crash', f'exit code {os.waitstatus_to_exitcode(status)}')
    return Outcome(name, *json.loads(said))


def _wait(child: int, limit: float) -> int | None:
    """The exit status of a child, None where it had to be killed after `limit` seconds."""
    end = time.monotonic() + limit
    pause = 0.001
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found or time.monotonic() > end:
            break
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # and what it started
    if found:
        return status
    os.waitpid(child, 0)
    return None


def _run_child(module: ModuleType, name: str, seed: int, folder: Path, writer: int) -> None:
    os.setsid()
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    os.chdir(folder)
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    limit = pages * resource.getpagesize() + getattr(module, 'MEMORY_LIMIT', 2 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = _judge(module.run, name, seed, folder)
    with os.fdopen(writer, 'w') as pipe:
        pipe.write(json.dumps(answer))
    os._exit(0)


def _judge(
    run: Callable[[str, int, Path], str], name: str, seed: int, folder: Path
) -> tuple[str, str]:
    """(outcome, detail) of a case in this process."""
    try:
        outcome = run(name, seed, folder)
    except _REFUSALS as error:
        return 'refused', str(error)  # which is one printable sentence
    except MemoryError:
        return 'memory', 'MemoryError'
    except BaseException as error:  # SystemExit too
        text = f'{type(error).__name__}: {error}'
        if any(words in text for words in _NO_MEMORY):
            return 'memory', text[:300]
        where = traceback.extract_tb(error.__traceback__)[-1]
        return 'traceback', f'{text[:300]} ({Path(where.filename).name}:{where.lineno})'
    if outcome not in GOOD + BAD:
        return 'traceback', f'{outcome!r} is no outcome'
    return outcome, ''


def main(module_name: str, seed: str) -> None:
    """Read a JSON list of names and write an Outcome as a line of JSON for each."""
    names = json.load(sys.stdin)
    module = importlib.import_module(module_name)
    for name in names:
        print(json.dumps(asdict(guarded(module, name, int(seed)))), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
