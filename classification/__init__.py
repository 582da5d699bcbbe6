"""Importing this registers MILA and its classifier, and changes three things of the process.

Models are registered with timm and MMEngine, the task with `engine.task`; torch's allow-list for
checkpoints is widened (`engine/safe_globals.py`), and mmcv and MMEngine are given what they miss
(`stand_ins.py`). Neither the Runner nor the command line is loaded.
"""

from . import backbones, classifier, datasets, evaluation, hooks, models, optim, stand_ins
from .engine import early_stopping, precision
from .engine.task import register_task
from .finetuning import classify
from .task import Classification
from .visualization import curves

__all__ = [
    'backbones',
    'classifier',
    'classify',
    'curves',
    'datasets',
    'early_stopping',
    'evaluation',
    'hooks',
    'models',
    'optim',
    'precision',
    'stand_ins',
]

register_task('mmengine', Classification())
