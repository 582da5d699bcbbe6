"""Models as plain torch modules; importing this registers them with timm."""

from .linear_swin import LinearSwin
from .mila import MILA, MILA_ARCHS, mila_base, mila_small, mila_tiny
from .study_rows import ROWS

__all__ = [
    'MILA',
    'MILA_ARCHS',
    'ROWS',
    'LinearSwin',
    'mila_base',
    'mila_small',
    'mila_tiny',
]
