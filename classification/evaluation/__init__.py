"""Metrics; importing this registers them with MMEngine."""

from .metrics import Accuracy

__all__ = ['Accuracy']
