"""MILA and its classifier: importing this registers them with timm and MMEngine."""

from . import backbone, models, weights

__all__ = ['backbone', 'models', 'weights']
