"""Rivals of MILA, written anew as plain torch modules; importing this registers them with timm."""

from .hvittt import HVITTT_ARCHS, HViTTT
from .ravlt import RAVLT, RAVLT_ARCHS

__all__ = ['HVITTT_ARCHS', 'RAVLT', 'RAVLT_ARCHS', 'HViTTT']
