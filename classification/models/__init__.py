"""Models as plain torch modules, registered with timm."""

from .mila import ARCHS, MILA, mila_base, mila_small, mila_tiny

__all__ = ['ARCHS', 'MILA', 'mila_base', 'mila_small', 'mila_tiny']
