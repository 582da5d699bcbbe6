"""Layer norm by the fastest way for the device."""

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
