"""MILA and its classifier: importing this registers them with timm and MMEngine."""

from . import backbones, classifier, curves, data, hooks, metrics, models, optim, weights

__all__ = [
    'backbones',
    'classifier',
    'curves',
    'data',
    'hooks',
    'metrics',
    'models',
    'optim',
    'weights',
]
