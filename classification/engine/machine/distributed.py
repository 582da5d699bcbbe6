"""The processes of one run, and the model inside its wrappers."""

import os
import signal
import threading
import time
from typing import Any

import torch
from mmengine.dist import is_distributed
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

from .ranks import local_rank


def first_to_fail() -> bool:
    """True in the one process that should print an error which all processes share.

    That is the first to reach the store or, before the process group exists, local rank 0.
    """
    if is_distributed():
        store = torch.distributed.distributed_c10d._get_default_store()
        try:
            return store.add('errors reported', 1) == 1
        except RuntimeError:  # the process that keeps the store has died
            pass
    return local_rank() == 0


def end_with_launcher() -> None:
    """Let this process end when the one that started it dies, whose other processes may be gone.

    It is sent SIGTERM, on which a training saves itself, and after a minute SIGKILL.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
    os.kill(os.getpid(), signal.SIGKILL)


def unwrapped(model: nn.Module) -> Any:
    """The model itself, of the config's class, from inside DDP and test-time augmentation."""
    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    return inner
