"""Run commands side by side, each with a log of its own, and tell how far they are."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
# A training's log line: epoch, batch [of how many], what remains, loss.
PROGRESS = re.compile(r'Epoch\(train\)\s+(\[\d+\]\[ *\d+/\d+\]).*?eta: (.+?)  .*?(loss: \S+)')


@dataclass
class Job:
    """A command. `kind`: what takes about equally long, by which the time left is estimated."""

    name: str
    command: list
    log: Path
    kind: str = ''


def tool(name, *args):
    """The command that runs tools/<name>.py."""
    return [sys.executable, TOOLS / f'{name}.py', *args]


def read_scalars(folder):
    """What training in a work dir logged: a list of dicts, one a log line."""
    files = sorted(Path(folder).glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def stop_on_sigterm(again):
    """Ended from outside as by Ctrl-C: the jobs end too; `again` says how to go on."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f'error: ended; {again}'))


def run_jobs(jobs, slots):
    """Run jobs in their order, at most `slots` at a time, with the machine's cores between them.

    A line on the running ones, with the time left for all, goes over the last one on a terminal.

    Raises:
        SystemExit: a job failed; the others are ended.
    """
    slots = min(slots, len(jobs))
    # A core each is faster than all cores for one after the other.
    env = {**os.environ, 'OMP_NUM_THREADS': str(max(1, (os.cpu_count() or 1) // max(1, slots)))}
    waiting, running, seconds = list(jobs), [], []
    shown = time.time()
    try:
        while waiting or running:
            while waiting and len(running) < slots:
                running.append(_Running(waiting.pop(0), env))
            time.sleep(0.2)
            for process in [process for process in running if process.ended()]:
                running.remove(process)
                seconds.append((process.job.kind, time.time() - process.started))
            if running and time.time() - shown > (2 if sys.stdout.isatty() else 30):
                shown = time.time()
                _show(running, waiting, seconds, slots)
    finally:
        for process in running:
            process.end()
    if sys.stdout.isatty():
        print('\r\033[K', end='', flush=True)


class _Running:
    def __init__(self, job, env):
        self.job = job
        self.started = time.time()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with open(job.log, 'a') as log:
            self.begin = log.tell()
            self.process = subprocess.Popen(
                job.command, stdout=log, stderr=subprocess.STDOUT, env=env
            )

    def ended(self):
        code = self.process.poll()
        if code:
            tail = ' '.join(self.job.log.read_text().splitlines()[-1:])
            sys.exit(
                f'error: {self.job.name} failed ({tail}); see {self.job.log}, then run it again.'
            )
        return code == 0

    def end(self):
        self.process.terminate()
        self.process.wait()

    def state(self):
        with open(self.job.log, errors='replace') as log:
            log.seek(self.begin)
            found = PROGRESS.findall(log.read())
        if not found:
            return f'{self.job.name} …'
        where, left, loss = found[-1]
        return f'{self.job.name} {where} {loss}, {left} left'


def _show(running, waiting, seconds, slots):
    line = ' | '.join(process.state() for process in running)
    if waiting and seconds:
        left = sum(_expected(job, seconds) for job in waiting)
        left += sum(max(0, _expected(p.job, seconds) - (time.time() - p.started)) for p in running)
        line = (
            f'{len(seconds)}/{len(seconds) + len(running) + len(waiting)} done, '
            f'{left / slots / 60:.0f} min left for all | {line}'
        )
    before, after = ('\r\033[K', '') if sys.stdout.isatty() else ('', '\n')
    print(before + line, end=after, flush=True)


def _expected(job, seconds):
    """Mean duration of its kind so far, else of all."""
    same = [t for kind, t in seconds if kind == job.kind] or [t for _, t in seconds]
    return sum(same) / len(same)
