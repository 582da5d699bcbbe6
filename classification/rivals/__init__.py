"""The backbones that MILA is compared with and timm does not have; importing registers them."""

from . import localmamba, vim

__all__ = ['localmamba', 'vim']
