"""Training that is told to stop saves itself first, and says how to go on."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, is_main_process
from mmengine.hooks import Hook

from ..errors import Stopped
from ..files.atomic import atomic

CHECKPOINT = 'interrupted.pth'


class StopOnSignal(Hook):
    """On SIGTERM, by which schedulers take machines back: finish the update, save, stop.

    As a context it listens; as a hook it acts. The signal may reach any of the processes: they
    agree after each update, so that all stop after the same one.
    """

    priority = 'LOWEST'  # after the hooks that belong to the iteration

    def __enter__(self) -> None:
        self.received = False
        self.previous = signal.signal(signal.SIGTERM, self._receive)

    def __exit__(self, *error: Any) -> None:
        signal.signal(signal.SIGTERM, self.previous)

    def _receive(self, number: int, frame: Any) -> None:
        self.received = True

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save and stop where a process was told to.

        Raises:
            Stopped: when the checkpoint is there.
        """
        if not runner.optim_wrapper.should_update():  # gradients that accumulate are not saved
            return
        stop = torch.tensor(int(self.received))
        all_reduce(stop, 'max')
        if not stop:
            return
        done = runner.iter + 1
        meta = dict(epoch=runner.epoch, iter=done)
        runner.save_checkpoint(runner.work_dir, CHECKPOINT, meta=meta, by_epoch=False)
        path = os.path.join(runner.work_dir, CHECKPOINT)
        if is_main_process():
            with atomic(os.path.join(runner.work_dir, 'last_checkpoint')) as pointer:
                pointer.write_text(path)
        barrier()
        raise Stopped(
            f'SIGTERM stopped training after iteration {done}, saved in {path}: '
            'go on with --resume.'
        )


def outlive_stop(init: Callable[[int], None] | None, worker: int) -> None:
    """Start a data loader's worker that ignores SIGTERM from anyone but its own process.

    Schedulers signal the whole group; without its workers the training could not finish the update.

    Args:
        init: MMEngine's own `worker_init_fn`, or None.
        worker: number of the worker.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if init:
        init(worker)


def _leave_with_parent() -> None:
    """End the worker on SIGTERM from its own process: so torch and Python end workers."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
