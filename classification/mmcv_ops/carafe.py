"""CARAFE (Wang et al., ICCV 2019): upsampling by a kernel of its own for every pixel."""

import torch.nn.functional as F
from torch import Tensor

from .gradient import gradients


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Reassemble features, into `output`.

    Args:
        features: (B, C, H, W).
        masks: (B, group_size * kernel_size², scale_factor * H, scale_factor * W).
        output: (B, C, scale_factor * H, scale_factor * W), filled.
        group_size: groups of channels, each with kernels of its own.
    """
    output.copy_(_reassemble(features, masks, kernel_size, group_size, scale_factor))


def carafe_naive_backward(
    grad_output: Tensor,
    features: Tensor,
    masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Gradients at features and masks; shapes as `carafe_naive_forward`."""
    found = gradients(
        lambda x, kernels: _reassemble(x, kernels, kernel_size, group_size, scale_factor),
        (features, masks),
        grad_output,
    )
    grad_input.copy_(found[0])
    grad_masks.copy_(found[1])


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """As `carafe_naive_forward`; `rfeatures` keeps the features for the backward."""
    rfeatures.copy_(features)
    carafe_naive_forward(features, masks, output, kernel_size, group_size, scale_factor)


def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """As `carafe_naive_backward`; the other tensors are buffers of mmcv's kernel."""
    sizes = (kernel_size, group_size, scale_factor)
    carafe_naive_backward(grad_output, rfeatures, masks, grad_input, grad_masks, *sizes)


def _reassemble(
    features: Tensor, masks: Tensor, kernel_size: int, group_size: int, scale: int
) -> Tensor:
    """The sum over the kernel's points of shifted features times their weight."""
    batch, channels, height, width = features.shape
    reach = (kernel_size - 1) // 2
    padded = F.pad(features, (reach,) * 4)
    kernels = masks.view(batch, group_size, 1, kernel_size**2, scale * height, scale * width)
    output: Tensor | int = 0
    for point in range(kernel_size**2):
        row, column = divmod(point, kernel_size)
        shifted = padded[:, :, row : row + height, column : column + width]
        shifted = shifted.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        groups = shifted.view(batch, group_size, -1, scale * height, scale * width)
        output = output + groups * kernels[:, :, :, point]
    shape = (batch, channels, scale * height, scale * width)
    return output.view(shape)  # type: ignore[union-attr]  # a kernel has points
