"""MILA and its classifier: importing this registers them with timm and MMEngine, and lets mmcv
and MMEngine find what they miss (stand_ins)."""

from . import (
    backbone,
    classifier,
    curves,
    data,
    hooks,
    metrics,
    models,
    optim,
    stand_ins,
    weights,
)

__all__ = [
    'backbone',
    'classifier',
    'curves',
    'data',
    'hooks',
    'metrics',
    'models',
    'optim',
    'stand_ins',
    'weights',
]
