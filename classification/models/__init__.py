"""Models as plain torch modules; importing this registers them with timm."""

from .linear_swin import LinearSwin
from .mila import MILA, MILA_ARCHS, mila_base, mila_small, mila_tiny
from .study_rows import ROWS
from .vmamba import (
    VMAMBA_ARCHS,
    VMamba,
    vmamba_base,
    vmamba_small,
    vmamba_tiny,
    vmamba_tiny_s2l5,
)

__all__ = [
    'MILA',
    'MILA_ARCHS',
    'ROWS',
    'VMAMBA_ARCHS',
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
