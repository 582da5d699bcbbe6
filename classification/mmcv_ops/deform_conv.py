"""Deformable convolution, without a mask (Dai et al., ICCV 2017) and with one (Zhu et al., 2019).

Both are torchvision's operator; offsets are y then x for each point of the kernel, as in mmcv.
`columns` and `ones` are buffers of mmcv's kernels that are not needed here.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from .gradient import computable


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **sizes: int,
) -> None:
    """Convolve at shifted points, into `output`.

    Args:
        input: (B, C, H, W).
        weight: (O, C / group, kH, kW).
        offset: (B, 2 * deformable_group * kH * kW, H', W').
        output: (B, O, H', W'), filled.
        sizes: kW, kH, dW, dH (strides), padW, padH, dilationW, dilationH, group,
            deformable_group, im2col_step.
    """
    output.copy_(_convolve(input, weight, offset, None, None, _geometry(sizes)))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **sizes: int,
) -> None:
    """Gradients at input and offsets; shapes as `deform_conv_forward`."""
    found = _backward(grad_output, input, weight, offset, None, None, _geometry(sizes))
    grad_input.copy_(found[0])
    grad_offset.copy_(found[2])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    scale: float,
    **sizes: int,
) -> None:
    """The gradient at the kernel, times `scale`; shapes as `deform_conv_forward`."""
    # The gradient at the kernel does not depend on its values.
    weight = torch.zeros_like(grad_weight)
    found = _backward(grad_output, input, weight, offset, None, None, _geometry(sizes))
    grad_weight.copy_(found[1] * scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    with_bias: bool,
    **sizes: int,
) -> None:
    """Convolve at shifted and weighted points, into `output`.

    Args:
        input: (B, C, H, W).
        weight: (O, C / group, kernel_h, kernel_w).
        bias: (O,), or empty.
        offset: (B, 2 * deformable_group * kernel_h * kernel_w, H', W').
        mask: (B, deformable_group * kernel_h * kernel_w, H', W').
        output: (B, O, H', W'), filled.
        sizes: kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w,
            group, deformable_group.
    """
    used = bias if with_bias else None
    output.copy_(_convolve(input, weight, offset, mask, used, _modulated_geometry(sizes)))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    with_bias: bool,
    **sizes: int,
) -> None:
    """All gradients; shapes as `modulated_deform_conv_forward`."""
    used = bias if with_bias else None
    geometry = _modulated_geometry(sizes)
    found = _backward(grad_output, input, weight, offset, mask, used, geometry)
    targets = (grad_input, grad_weight, grad_offset, grad_mask)
    for target, value in zip(targets, found, strict=False):
        target.copy_(value)
    if with_bias:
        grad_bias.copy_(found[4])


def _geometry(sizes: Mapping[str, int]) -> list[int]:
    """Strides, paddings, dilations, groups and deformable groups, as torchvision orders them."""
    names = ('dH', 'dW', 'padH', 'padW', 'dilationH', 'dilationW', 'group', 'deformable_group')
    return [sizes[name] for name in names]


def _modulated_geometry(sizes: Mapping[str, int]) -> list[int]:
    names = ('stride', 'pad', 'dilation')
    both = [sizes[f'{name}_{axis}'] for name in names for axis in 'hw']
    return [*both, sizes['group'], sizes['deformable_group']]


def _convolve(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: list[int],
) -> Tensor:
    arguments = _arguments(input, weight, offset, mask, bias)
    return torch.ops.torchvision.deform_conv2d(*arguments, *geometry, mask is not None)


def _backward(
    grad: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: list[int],
) -> tuple[Tensor, ...]:
    """Gradients at input, weight, offset, mask and bias."""
    arguments = computable(grad), *_arguments(input, weight, offset, mask, bias)
    return torch.ops.torchvision._deform_conv2d_backward(*arguments, *geometry, mask is not None)


def _arguments(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, bias: Tensor | None
) -> list[Tensor]:
    """In a precision that has a kernel, with what torchvision expects where mmcv has nothing."""
    mask = input.new_zeros(len(input), 1) if mask is None else mask
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    return [computable(x) for x in (input, weight, offset, mask, bias)]
