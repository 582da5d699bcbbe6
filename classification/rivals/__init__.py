"""Rivals of MILA, written anew as plain torch modules; importing this registers them with timm."""

from .ravlt import RAVLT, RAVLT_ARCHS

__all__ = ['RAVLT', 'RAVLT_ARCHS']
