"""Models as plain torch modules, registered with timm."""

from .mila import ARCHS, MILA, mila_base, mila_small, mila_tiny
from .study import LinearSwin
from .study_rows import ROWS

__all__ = ['ARCHS', 'MILA', 'ROWS', 'LinearSwin', 'mila_base', 'mila_small', 'mila_tiny']
