"""Training that is told to stop saves itself first, and says how to go on."""

import os
import signal
import threading

import torch
from mmengine.dist import all_reduce, barrier, is_main_process
from mmengine.hooks import Hook

from .errors import Stopped
from .files import atomic

CHECKPOINT = 'interrupted.pth'


class StopOnSignal(Hook):
    """On SIGTERM, by which schedulers take machines back: finish the update, save, stop.

    As a context it listens; as a hook it acts. The signal may reach any of the processes: they
    agree after each update, so that all stop after the same one.

    Raises:
        Stopped: when the checkpoint is there.
    """

    priority = 'LOWEST'  # after the hooks that belong to the iteration

    def __enter__(self):
        self.received = False
        self.previous = signal.signal(signal.SIGTERM, self._receive)

    def __exit__(self, *error):
        signal.signal(signal.SIGTERM, self.previous)

    def _receive(self, number, frame):
        self.received = True

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
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


def outlive_stop(init, worker):
    """Start a data loader's worker that a signal to the whole group does not end.

    Args:
        init: MMEngine's own function for it, or None.
        worker: number of the worker.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if init:
        init(worker)


def _leave_with_parent():
    """torch and Python end workers by SIGTERM too: it counts where their own process sends it."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
