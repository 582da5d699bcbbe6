"""Importing this registers MILA and its classifier, and widens torch's allow-list for checkpoints.

Models are registered with timm and MMEngine, the task with `engine.task`; the allow-list is in
`engine/safe_globals.py`. Neither the Runner nor the command line is loaded.
"""

from . import backbones, classifier, datasets, evaluation, hooks, models, optim
from .engine import precision
from .engine.task import register_task
from .task import Classification
from .visualization import curves

__all__ = [
    'backbones',
    'classifier',
    'curves',
    'datasets',
    'evaluation',
    'hooks',
    'models',
    'optim',
    'precision',
]

register_task('mmengine', Classification())
