"""Layer norm by the fastest way for the device."""

import torch
from torch import Tensor, nn

from .devices import has_kernels, is_plain


def layer_norm(norm: nn.Module, x: Tensor) -> Tensor:
    """norm(x).

    On CUDA the result has the dtype of x; autocast on its own would widen x and the result to
    float32, and the next layer would narrow it again. Sums are in float32 in any case.

    Args:
        norm: an nn.LayerNorm over C.
        x: (..., C).
    """
    if has_kernels(x) and is_plain(norm):
        from .kernels.layer_norm import layer_norm as kernel

        return kernel(x, norm.weight, norm.bias, norm.eps)
    return norm(x)


def layer_norm_of_maps(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """norm(x) for maps (B, C, H, W), over C, in plain operators, which need no other layout."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    offset = wide - wide.mean(1, keepdim=True)
    scale = torch.rsqrt(offset.square().mean(1, keepdim=True) + norm.eps)
    y = offset * scale * norm.weight[:, None, None] + norm.bias[:, None, None]
    return y.to(x.dtype)
