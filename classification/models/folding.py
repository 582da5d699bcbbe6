"""Folding what inference need not compute on its own."""

from torch import nn

from .mila import MILA


def fold(module: nn.Module) -> None:
    """Fold every model in `module` that knows how to fold itself, in place; see `MILA.fuse`."""
    for model in list(module.modules()):
        if isinstance(model, MILA):
            model.fuse()
