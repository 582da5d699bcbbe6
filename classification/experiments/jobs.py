"""Run commands in parallel, each with a log of its own, and show their progress."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
# A training's log line: epoch, batch [of how many], what remains, loss.
PROGRESS = re.compile(r'Epoch\(train\)\s+(\[\d+\]\[ *\d+/\d+\]).*?eta: (.+?)  .*?(loss: \S+)')


@dataclass
class Job:
    """A command.

    Attributes:
        name: for people.
        command: program and arguments.
        log: file that its output is appended to.
        kind: jobs of one kind take about equally long; the time left is estimated from them.
    """

    name: str
    command: Sequence[str | os.PathLike]
    log: Path
    kind: str = ''


def tool(name: str, *args: str | os.PathLike) -> list[str | os.PathLike]:
    """The command that runs tools/<name>.py."""
    return [sys.executable, TOOLS / f'{name}.py', *args]


def run_jobs(jobs: Sequence[Job], slots: int) -> None:
    """Run jobs in their order, at most `slots` at a time, sharing the machine's cores.

    What the running ones log, and the time left for all, is shown in one line on a terminal,
    elsewhere every 30 seconds.

    Raises:
        SystemExit: a job failed; the others are ended.
    """
    if not jobs:
        return
    slots = min(slots, len(jobs))
    # A core each is faster than all cores for one after the other.
    env = {**os.environ, 'OMP_NUM_THREADS': str(max(1, (os.cpu_count() or 1) // slots))}
    pool = _Pool(jobs, slots, env)
    terminal = sys.stdout.isatty()
    shown = time.time()
    line = tqdm(total=0, bar_format='{desc}', leave=False, file=sys.stdout, disable=not terminal)
    try:
        while pool.advance():
            time.sleep(0.2)
            if time.time() - shown > (2 if terminal else 30):
                shown = time.time()
                if terminal:
                    line.set_description_str(pool.status())
                else:
                    print(pool.status(), flush=True)
    finally:
        pool.end()
        line.close()


class _Pool:
    """Jobs that wait, run and have ended."""

    def __init__(self, jobs: Sequence[Job], slots: int, env: Mapping[str, str]) -> None:
        self.slots = slots
        self.env = env
        self.waiting = list(jobs)
        self.running: list[_Running] = []
        self.seconds: list[tuple[str, float]] = []  # kind and duration of each that has ended

    def advance(self) -> bool:
        """Start what may start and take note of what has ended; False when all have."""
        for process in [process for process in self.running if process.ended()]:
            self.running.remove(process)
            self.seconds.append((process.job.kind, process.age()))
        while self.waiting and len(self.running) < self.slots:
            self.running.append(_Running(self.waiting.pop(0), self.env))
        return bool(self.running)

    def end(self) -> None:
        """End what still runs."""
        for process in self.running:
            process.end()

    def status(self) -> str:
        """What the running jobs say, after the time left where it can be estimated."""
        line = ' | '.join(process.state() for process in self.running)
        if not (self.waiting and self.seconds):
            return line
        left = sum(expected_seconds(job, self.seconds) for job in self.waiting)
        for process in self.running:
            left += max(0, expected_seconds(process.job, self.seconds) - process.age())
        done, total = len(self.seconds), len(self.seconds + self.running + self.waiting)
        return f'{done}/{total} done, {left / self.slots / 60:.0f} min left for all | {line}'


class _Running:
    """The process of a job."""

    def __init__(self, job: Job, env: Mapping[str, str] | None) -> None:
        self.job = job
        self.started = time.time()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with open(job.log, 'a') as log:
            self.begin = log.tell()
            self.process = subprocess.Popen(
                job.command, stdout=log, stderr=subprocess.STDOUT, env=env
            )

    def age(self) -> float:
        return time.time() - self.started

    def ended(self) -> bool:
        code = self.process.poll()
        if code:
            tail = ' '.join(self.job.log.read_text().splitlines()[-1:])
            sys.exit(
                f'error: {self.job.name} failed ({tail}); see {self.job.log}, then run it again.'
            )
        return code == 0

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()

    def state(self) -> str:
        """The last line of training that it logged since its start."""
        with open(self.job.log, errors='replace') as log:
            log.seek(self.begin)
            found = PROGRESS.findall(log.read())
        if not found:
            return f'{self.job.name} …'
        where, left, loss = found[-1]
        return f'{self.job.name} {where} {loss}, {left} left'


def expected_seconds(job: Job, seconds: Sequence[tuple[str, float]]) -> float:
    """Mean duration of a job's kind so far, else of all.

    Args:
        seconds: kind and duration of each job that has ended.
    """
    same = [t for kind, t in seconds if kind == job.kind] or [t for _, t in seconds]
    return sum(same) / len(same)
