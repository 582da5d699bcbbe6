"""What the operators share: precision, and gradients of plain PyTorch code."""

from collections.abc import Callable

import torch
from torch import Tensor


def computable(x: Tensor) -> Tensor:
    """`x` in float32 if its precision is lower: not every kernel exists in fp16 and bf16."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def gradients(
    function: Callable[..., Tensor], inputs: tuple[Tensor, ...], grad: Tensor
) -> tuple[Tensor, ...]:
    """Gradients at `inputs` of `function(*inputs)`, computed anew, for the gradient at its output.

    mmcv's operators run with autograd off and get their backward called apart.
    """
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        output = function(*leaves)
        return torch.autograd.grad(output, leaves, grad.to(output.dtype))
