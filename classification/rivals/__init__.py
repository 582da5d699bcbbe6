"""The backbones that MILA is compared with and timm does not have; importing registers them."""

from . import efficientvmamba, localmamba, vim

__all__ = ['efficientvmamba', 'localmamba', 'vim']
