"""The backbones that MILA is compared with and timm does not have; importing registers them."""

from . import efficientvmamba, localmamba, mamba2d, plainmamba, vim

__all__ = ['efficientvmamba', 'localmamba', 'mamba2d', 'plainmamba', 'vim']
