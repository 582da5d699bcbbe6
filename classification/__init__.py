"""Importing this registers MILA and its classifier, and changes three things of the process.

Models are registered with timm and MMEngine, the task with `engine.task`; torch's allow-list for
checkpoints is widened (`engine/weights/safe_globals.py`), and mmcv and MMEngine are given what they
miss (`stand_ins.py`). Neither the Runner nor the command line is loaded.
"""

import os
from typing import TYPE_CHECKING

from . import backbones, classifier, datasets, evaluation, hooks, models, optim, stand_ins
from .engine.running import early_stopping, precision
from .engine.task import register_task
from .task import Classification
from .visualization import curves

if TYPE_CHECKING:
    from .engine.prediction.predictor import Predictor

__all__ = [
    'backbones',
    'classifier',
    'curves',
    'datasets',
    'early_stopping',
    'evaluation',
    'hooks',
    'load',
    'models',
    'optim',
    'precision',
    'stand_ins',
]

register_task('mmengine', Classification())


def load(
    path: str | os.PathLike, device: str | None = None, precision: str = 'fp32'
) -> 'Predictor':
    """A trained classifier, which gives `results.Scores`.

    Args:
        path: a work dir, or a checkpoint beside which its config stands.
        device, precision: as `Predictor`.
    """
    # Here, for it loads much that training does without.
    from .engine.prediction.predictor import load_predictor

    return load_predictor(path, 'mmengine', device=device, precision=precision)
