"""The processes of one run: their ranks, and the model inside its wrappers."""

import os
from typing import Any

import torch
from mmengine.dist import is_distributed
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn


def local_rank() -> int:
    """The rank of this process on its machine, also before the process group exists."""
    return int(os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID', 0)))


def global_rank() -> int:
    """The rank of this process among all of the run, also before the process group exists."""
    return int(os.environ.get('RANK', 0))


def first_to_fail() -> bool:
    """True in the one process that should print an error which all processes share.

    That is the first to reach the store or, before the process group exists, local rank 0.
    """
    if is_distributed():
        store = torch.distributed.distributed_c10d._get_default_store()
        return store.add('errors reported', 1) == 1
    return local_rank() == 0


def unwrapped(model: nn.Module) -> Any:
    """The model itself, of the config's class, from inside DDP and test-time augmentation."""
    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    return inner
