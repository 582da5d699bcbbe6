"""A hook that watches a test: what its metrics come from, its time and its memory."""

import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook

from ..engine.machine.distributed import unwrapped
from ..engine.machine.memory import peak_memory
from ..engine.task import Analyst, task_of

_MB = 2**20


class Collector(Hook):
    """Let the analyst of the run's task see a test, in one process.

    Args:
        score_thr: see engine.task.Task.analyst.

    Attributes:
        analyst: of the task, from the beginning of the test.
        parameters: of the model.
        device: its name.
        batch_size: of the largest batch.
    """

    analyst: Analyst

    def __init__(self, score_thr: float = 0.3):
        self.score_thr = score_thr
        self.seconds: list[float] = []  # per image, of each batch
        self.batch_size = 0

    def before_test(self, runner: Any) -> None:
        """Prepare to watch; the time is that of the model's forward, with its post-processing."""
        model = unwrapped(runner.model)
        self._task = task_of(runner.cfg)
        self.analyst = self._task.analyst(runner, self.score_thr)
        self.dataset = runner.test_dataloader.dataset
        self.parameters = sum(p.numel() for p in model.parameters())
        self._cuda = next(model.parameters()).is_cuda
        self.device = torch.cuda.get_device_name() if self._cuda else _cpu()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        self._handles = [
            model.register_forward_pre_hook(lambda *_: self._start()),
            model.register_forward_hook(lambda *_: self._stop()),
        ]

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.seconds.append(self._passed / len(outputs))
        self.batch_size = max(self.batch_size, len(outputs))
        self.analyst.add(outputs)

    def after_test(self, runner: Any) -> None:
        for handle in self._handles:
            handle.remove()
        self.memory = _peak_memory(self._cuda)

    @property
    def milliseconds(self) -> float:
        """Median time per image; the first batch, which warms up, is left out."""
        return 1000 * statistics.median(self.seconds[1:] or self.seconds)

    def picture(self, index: int) -> np.ndarray:
        """The image (H, W, 3) at a position of the dataset, uint8, RGB."""
        return self._task.read_picture(self.dataset.get_data_info(index))

    def _start(self) -> None:
        self._wait()
        self._began = time.perf_counter()

    def _stop(self) -> None:
        self._wait()
        self._passed = time.perf_counter() - self._began

    def _wait(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()


def _cpu() -> str:
    count = torch.get_num_threads()
    threads = '1 thread' if count == 1 else f'{count} threads'
    info = Path('/proc/cpuinfo')
    names = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(':')[1].strip() for line in names if line.startswith('model name')), '')
    return f'CPU ({name or platform.machine()}), {threads}'


def _peak_memory(cuda: bool) -> str:
    """In words."""
    peak = peak_memory(cuda)
    if peak is None:
        return 'unknown'
    where = 'on the GPU' if cuda else 'of the whole process, from its start'
    return f'{peak / _MB:,.0f} MiB {where}'
