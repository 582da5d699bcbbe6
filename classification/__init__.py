"""Importing this registers MILA and its classifier, and changes three things of the process.

Models are registered with timm and MMEngine, the task with `engine.task`; torch's allow-list for
checkpoints is widened (`engine/weights/safe_globals.py`), and mmcv and MMEngine are given what they
miss (`stand_ins.py`). Neither the Runner nor the command line is loaded.

Where there is no PyTorch nothing is registered, and `load` takes exported models alone.
"""

import os
from importlib.util import find_spec

from .engine.prediction.base import ImagePredictor
from .loading import load_model

__all__ = ['load']

if find_spec('torch'):
    from . import (
        backbones,
        classifier,
        datasets,
        evaluation,
        hooks,
        models,
        optim,
        rivals,
        stand_ins,
    )
    from .engine.running import early_stopping, precision
    from .engine.task import register_task
    from .task import Classification
    from .visualization import curves

    __all__ += [
        'backbones',
        'classifier',
        'curves',
        'datasets',
        'early_stopping',
        'evaluation',
        'hooks',
        'models',
        'optim',
        'precision',
        'rivals',
        'stand_ins',
    ]

    register_task('mmengine', Classification())


def load(
    path: str | os.PathLike, device: str | None = None, precision: str = 'fp32'
) -> ImagePredictor:
    """A trained classifier, which gives `results.Scores`.

    Args:
        path: a work dir, a checkpoint beside which its config stands, or an exported .onnx file.
        device, precision: as `loading.load_model`.
    """
    return load_model(path, 'mmengine', 'classification', device, precision)
