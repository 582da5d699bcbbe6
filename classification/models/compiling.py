"""Compiled inference: torch.compile with the weights as constants."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .folding import fold


def compile_for_inference(model: nn.Module, dynamic: bool | None = None) -> Callable[..., Any]:
    """What computes model(...) from compiled code, without gradients.

    Weights become constants of the code, laid out as its products read them. It is compiled at the
    first call, which takes a minute or so and a C++ compiler, and again for another size of images
    unless `dynamic` is given or PyTorch has seen that sizes change.

    Args:
        model: in evaluation mode; it is folded, and its weights must not be changed any more.
        dynamic: as torch.compile's: True for one compilation for all sizes of images.

    Raises:
        RuntimeError: the model is in training mode.
    """
    if model.training:
        raise RuntimeError('compile_for_inference is for inference: call eval() first.')
    fold(model)
    compiled = torch.compile(model, dynamic=dynamic)

    def infer(*args: Any, **kwargs: Any) -> Any:
        with constant_weights():
            return compiled(*args, **kwargs)

    return infer


@contextmanager
def constant_weights() -> Iterator[None]:
    """In it there are no gradients, and what is compiled has its weights as constants."""
    with torch.no_grad(), torch._inductor.config.patch(freezing=True):
        yield
