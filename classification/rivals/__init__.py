"""The backbones that MILA is compared with and timm lacks, as plain torch modules.

Importing this registers them with timm.
"""

from . import (
    cswin,
    efficientvmamba,
    hvittt,
    localmamba,
    mamba2d,
    nat,
    plainmamba,
    ravlt,
    sgformer,
    transnext,
    vim,
    vmamba,
)

__all__ = [
    'cswin',
    'efficientvmamba',
    'hvittt',
    'localmamba',
    'mamba2d',
    'nat',
    'plainmamba',
    'ravlt',
    'sgformer',
    'transnext',
    'vim',
    'vmamba',
]
