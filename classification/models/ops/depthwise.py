"""Depthwise 3x3 convolutions with what stands around them, by the fastest way for the device."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .devices import has_kernels, is_plain

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    '': nn.Identity(),
    'relu': F.relu,
    'silu': F.silu,
}


def depthwise(
    conv: nn.Conv2d, x: Tensor, before: str = '', after: str = '', residual: bool = False
) -> Tensor:
    """y = after(conv(before(x))), or x + conv(x) with `residual`.

    Args:
        conv: depthwise, 3x3, padding 1, stride 1 or 2.
        x: (B, H, W, C).
        before: activation, '' or 'relu'.
        after: activation, '', 'relu' or 'silu'.
        residual: add x; for stride 1, without activations.

    Returns:
        (B, H / stride, W / stride, C), sizes rounded up.
    """
    if has_kernels(x) and is_plain(conv):
        from .kernels.depthwise import depthwise as kernel

        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return kernel(x, conv.weight, conv.bias, conv.stride[0], before, after, residual)
    if residual and is_plain(conv) and _keeps_precision(conv, x):
        return _with_identity(conv, x)
    # Activations next to the convolution: in graphs no operator parts permutations that cancel.
    maps = ACTIVATIONS[before](x.permute(0, 3, 1, 2))
    y = ACTIVATIONS[after](conv(maps)).permute(0, 2, 3, 1)
    return x + y if residual else y


def _keeps_precision(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether weights to which 1 was added are as exact as before, up to rounding in float32."""
    precise = x.dtype in (torch.float32, torch.float64) and x.dtype == conv.weight.dtype
    return precise and not torch.is_autocast_enabled(x.device.type)


def _with_identity(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """x + conv(x) as one convolution, which saves a pass over the features."""
    centre = F.pad(conv.weight.new_ones(1, 1, 1, 1), (1, 1, 1, 1))
    y = F.conv2d(
        x.permute(0, 3, 1, 2), conv.weight + centre, conv.bias, padding=1, groups=conv.groups
    )
    return y.permute(0, 2, 3, 1)
