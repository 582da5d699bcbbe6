"""Dense backbones; importing this registers them with MMEngine: `dict(type='MILA', ...)`."""

from .dense import DenseModel
from .linear_swin import LinearSwinBackbone
from .mila import MILABackbone
from .plainmamba import PlainMambaAdapterBackbone
from .timm_model import TimmBackbone, TimmModel
from .vmamba import VMambaBackbone

__all__ = [
    'DenseModel',
    'LinearSwinBackbone',
    'MILABackbone',
    'PlainMambaAdapterBackbone',
    'TimmBackbone',
    'TimmModel',
    'VMambaBackbone',
]
