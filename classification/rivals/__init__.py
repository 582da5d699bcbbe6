"""Rivals of MILA, written anew as plain torch modules; importing this registers them with timm."""

from .cswin import CSWIN_ARCHS, CSWin
from .hvittt import HVITTT_ARCHS, HViTTT
from .nat import DINAT_ARCHS, NAT, NAT_ARCHS
from .ravlt import RAVLT, RAVLT_ARCHS
from .sgformer import SGFORMER_ARCHS, SGFormer
from .transnext import TRANSNEXT_ARCHS, TransNeXt

__all__ = [
    'CSWIN_ARCHS',
    'CSWin',
    'DINAT_ARCHS',
    'HVITTT_ARCHS',
    'HViTTT',
    'NAT',
    'NAT_ARCHS',
    'RAVLT',
    'RAVLT_ARCHS',
    'SGFORMER_ARCHS',
    'SGFormer',
    'TRANSNEXT_ARCHS',
    'TransNeXt',
]
