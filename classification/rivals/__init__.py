"""Rivals of MILA, written anew as plain torch modules; importing this registers them with timm."""

from .cswin import CSWIN_ARCHS, CSWin
from .hvittt import HVITTT_ARCHS, HViTTT
from .ravlt import RAVLT, RAVLT_ARCHS

__all__ = ['CSWIN_ARCHS', 'HVITTT_ARCHS', 'RAVLT', 'RAVLT_ARCHS', 'CSWin', 'HViTTT']
