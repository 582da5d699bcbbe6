"""The backbones that MILA is compared with and timm does not have; importing registers them."""

from . import efficientvmamba, localmamba, plainmamba, vim

__all__ = ['efficientvmamba', 'localmamba', 'plainmamba', 'vim']
