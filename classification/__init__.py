"""MILA and its classifier: importing this registers them with timm and MMEngine.

It also widens torch's allow-list for checkpoints (`engine/safe_globals.py`) and loads neither the
Runner nor the command line.
"""

from . import backbones, classifier, datasets, evaluation, hooks, models, optim
from .engine import precision, weights
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
    'weights',
]
