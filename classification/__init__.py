"""MILA and its classifier: importing this registers them with timm and MMEngine."""

from . import backbone, classifier, curves, data, hooks, metrics, models, optim, weights

__all__ = [
    'backbone',
    'classifier',
    'curves',
    'data',
    'hooks',
    'metrics',
    'models',
    'optim',
    'weights',
]
