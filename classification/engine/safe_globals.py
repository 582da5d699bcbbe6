"""Importing this widens torch's allow-list, by what checkpoints hold besides tensors, for good.

The list is the process's own, since MMEngine's Runner and timm's `checkpoint_path` call torch.load
themselves.
"""

import pickle
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer


def _history_method(owner: type, name: str) -> Callable:
    """The one `getattr` of a checkpoint: MMEngine's log history is saved with its methods."""
    if owner is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError('Unsupported global: GLOBAL getattr')


# MMEngine's log history (numpy arrays and scalars) and inert configuration objects. A name maps to
# the class that is built for it, so that a yacs config becomes a dictionary whether yacs is
# installed or not.
_NUMPY_CORE: Any = np._core if hasattr(np, '_core') else np.core
SAFE_GLOBALS = [
    HistoryBuffer,
    (_history_method, 'builtins.getattr'),
    np.ndarray,
    np.dtype,
    *(type(np.dtype(t)) for t in ('bool', 'int32', 'int64', 'uint8', 'float32', 'float64', 'U1')),
    *(
        (getattr(_NUMPY_CORE.multiarray, function), f'{module}.{function}')
        for function in ('_reconstruct', 'scalar')
        for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
    ),
    Namespace,
    (OrderedDict, 'yacs.config.CfgNode'),
    (OrderedDict, 'addict.addict.Dict'),
    (OrderedDict, 'mmengine.config.config.ConfigDict'),
]


def allow_safe_globals() -> None:
    """Put SAFE_GLOBALS on torch's list; timm's loader takes argparse.Namespace off it again."""
    torch.serialization.add_safe_globals(SAFE_GLOBALS)


allow_safe_globals()
