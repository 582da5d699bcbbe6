"""Models as plain torch modules, registered with timm."""

from .mila import ARCHS, MILA, mila_base, mila_small, mila_tiny
from .study import LinearSwin
from .study_rows import ROWS
from .vmamba import VMamba, vmamba_base, vmamba_small, vmamba_tiny, vmamba_tiny_s2l5

__all__ = [
    'ARCHS',
    'MILA',
    'ROWS',
    'LinearSwin',
    'VMamba',
    'mila_base',
    'mila_small',
    'mila_tiny',
    'vmamba_base',
    'vmamba_small',
    'vmamba_tiny',
    'vmamba_tiny_s2l5',
]
