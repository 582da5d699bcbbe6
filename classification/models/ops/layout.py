"""Layouts of an image's features: channels last for convolutions, orders of tokens for scans."""

import torch.nn.functional as F
from torch import Tensor, nn

from .devices import becomes_a_graph, is_plain

DIRECTIONS = ('row', 'row_back', 'column', 'column_back')


def conv_nhwc(conv: nn.Module, x: Tensor) -> Tensor:
    """Apply a convolution to features laid out as (B, H, W, C).

    The permuted view is channels_last, so that the convolution copies no layout.

    Args:
        conv: (B, C, H, W) -> (B, C', H', W').
        x: (B, H, W, C).

    Returns:
        (B, H', W', C').
    """
    return conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def pointwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a 1x1 convolution as a matrix product.

    On one CPU thread PyTorch's own 1x1 convolutions take an unoptimised path for small batches;
    compilers and other runtimes do better with them than with a change of layout.

    Args:
        conv: with a kernel of 1x1 and stride 1.
        x: (B, H, W, C).

    Returns:
        (B, H, W, C').
    """
    if becomes_a_graph(x) or not is_plain(conv):
        return conv_nhwc(conv, x)
    return F.linear(x, conv.weight.flatten(1), conv.bias)


def linear_of_maps(linear: nn.Module, x: Tensor) -> Tensor:
    """Apply a linear layer to maps (B, C, H, W), as a 1x1 convolution -> (B, C', H, W)."""
    assert isinstance(linear, nn.Linear)
    return F.conv2d(x, linear.weight[..., None, None], linear.bias)


def to_sequence(x: Tensor, direction: str) -> Tensor:
    """Image (B, H, W, ...) -> its tokens (B, H W, ...) in the order of one of DIRECTIONS.

    Raises:
        ValueError: an unknown direction.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f'Direction {direction!r} is none of {", ".join(DIRECTIONS)}.')
    if direction.startswith('column'):
        x = x.transpose(1, 2)
    x = x.flatten(1, 2)
    return x.flip(1) if direction.endswith('back') else x


def to_image(x: Tensor, direction: str, height: int, width: int) -> Tensor:
    """The tokens (B, H W, ...) that `to_sequence` ordered -> their image (B, H, W, ...)."""
    if direction.endswith('back'):
        x = x.flip(1)
    if direction.startswith('column'):
        return x.unflatten(1, (width, height)).transpose(1, 2)
    return x.unflatten(1, (height, width))
