"""What an iteration of a config costs here, tried in a process that may run out of memory."""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from ..engine.configs.loading import load_config
from ..engine.errors import UsageError
from ..engine.running.runner import Runner

_ITERATIONS = 2  # of each batch size; the first is not counted


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        batch: images per iteration.
        seconds: of a training iteration, the fastest one.
        memory: peak in bytes, of the GPU or without one of the whole process.
        test_seconds: of an evaluated image.
    """

    batch: int
    seconds: float
    memory: int
    test_seconds: float


def try_batches(config: Path, batches: Sequence[int]) -> list[Trial]:
    """Train a few iterations with each of the ascending batch sizes, until memory ends.

    Args:
        config: file of a complete config.
        batches: numbers of images.

    Returns:
        The trials that were possible.

    Raises:
        UsageError: not even the first was; the sentence has what the process said last.
    """
    command = [sys.executable, '-m', __name__, str(config), *map(str, batches)]
    result = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in result.stdout.splitlines() if line.startswith('{"batch"')]
    if not lines:
        said = (result.stderr.strip().splitlines() or ['nothing'])[-1]
        raise UsageError(
            f'{config} cannot train one iteration with {batches[0]} images; the trial said: {said}'
        )
    return [Trial(**json.loads(line)) for line in lines]


def memory_per_image(trials: Sequence[Trial]) -> float:
    """Bytes that a further image of a batch takes, by the first and the last of ascending trials;
    infinite where there is one alone: the next ran out of memory."""
    first, last = trials[0], trials[-1]
    if first is last:
        return math.inf
    return max(1.0, (last.memory - first.memory) / (last.batch - first.batch))


def largest_batch(trials: Sequence[Trial], available: int, most: int) -> int:
    """The largest power of 2 that fits into `available` bytes, by a line through two trials.

    Args:
        trials: of ascending batch sizes.
        available: bytes of memory that the training may use.
        most: images beyond which a batch is of no use.
    """
    first = trials[0]
    room = first.batch + int((available - first.memory) / memory_per_image(trials))
    batch = 1
    while 2 * batch <= min(room, most):
        batch *= 2
    return batch


def available_memory(processes: int = 1) -> int:
    """Bytes that one of the training processes may use: nine tenths of a GPU, or three quarters of
    what the machine has free, divided among them."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory * 0.9)
    free = os.sysconf('SC_AVPHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    meminfo = Path('/proc/meminfo')
    if meminfo.is_file():  # what files occupy is free too
        fields = dict(line.split(':') for line in meminfo.read_text().splitlines())
        free = int(fields['MemAvailable'].split()[0]) * 1024
    return int(free * 0.75 / processes)


def measure(cfg: Config, batches: Iterable[int]) -> Iterator[Trial]:
    """Train a few iterations with each batch size in this process; ends where memory does."""
    cfg.train_dataloader.num_workers = cfg.val_dataloader.num_workers = 0
    cfg.train_dataloader.persistent_workers = cfg.val_dataloader.persistent_workers = False
    runner = Runner.from_cfg(cfg)
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    model = runner.model
    for batch in batches:
        loader = Runner.build_dataloader({**cfg.train_dataloader, 'batch_size': batch}, seed=0)
        try:
            model.train()
            seconds = [_timed(model.train_step, data, wrapper) for data in _endless(loader)]
            model.eval()
            tests = islice(Runner.build_dataloader(cfg.val_dataloader, seed=0), 2)
            with torch.no_grad():
                test = [_timed(model.test_step, data) for data in tests]
        except torch.cuda.OutOfMemoryError:
            return
        images = cfg.val_dataloader.batch_size
        yield Trial(batch, min(seconds[1:]), _peak_memory(), min(test) / images)


def _endless(loader: Any) -> Iterator[Any]:
    """The first iterations, also of a dataset that has fewer."""
    count = 0
    while count < _ITERATIONS:
        for data in islice(loader, _ITERATIONS - count):
            count += 1
            yield data


def _timed(function: Any, *arguments: Any) -> float:
    start = time.perf_counter()
    function(*arguments)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _peak_memory() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(argv: Sequence[str] | None = None) -> None:
    """Print a Trial as a line of JSON for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('batches', nargs='+', type=int)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:  # for the log
        cfg = load_config(args.config, work_dir=folder)
        for trial in measure(cfg, args.batches):
            print(json.dumps(asdict(trial)), flush=True)


if __name__ == '__main__':
    main()
