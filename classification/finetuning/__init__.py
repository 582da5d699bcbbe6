"""From annotated images of one's own to a trained model: choices, config, training, report."""

from .classify import use_own_data

__all__ = ['use_own_data']
