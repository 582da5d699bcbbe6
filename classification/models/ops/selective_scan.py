"""VMamba's selective scan: a state-space model with one state per channel, in several orders.

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023); the
orders: Liu et al., "VMamba: Visual State Space Model" (NeurIPS 2024).

    h_i = exp(Δ_i A) h_{i-1} + Δ_i B_i x_i,  y_i = C_i h_i + D x_i,  with Δ = softplus(delta)
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .devices import exporting
from .scan import linear_recurrence, naive_linear_recurrence

try:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn as scan_kernel
except ImportError:
    scan_kernel = None


def selective_scan(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """The equations above by the block-wise recurrence, in linear time.

    The compiled kernel of mamba-ssm computes it where that is installed and the tensors are on
    CUDA.

    Args:
        x, delta: (B, orders, N, channels).
        A, D: (orders, channels), A negative.
        B, C: (B, orders, N, 1).

    Returns:
        y, as x.
    """
    if scan_kernel is not None and x.is_cuda and x.dtype == torch.float32 and not exporting():
        return _kernel_scan(x, delta, A, B, C, D)
    return _scan(linear_recurrence, x, delta, A, B, C, D)


def naive_selective_scan(
    x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor
) -> Tensor:
    """The reference of `selective_scan`, same arguments: a loop over the tokens."""
    return _scan(naive_linear_recurrence, x, delta, A, B, C, D)


def _scan(
    recurrence: Callable[..., Tensor],
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
) -> Tensor:
    delta = F.softplus(delta)
    h = recurrence(torch.exp(delta * A[:, None]), delta * B * x, dim=2)
    return C * h + D[:, None] * x


def _kernel_scan(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """The same by mamba-ssm, which has tokens last and orders as groups of channels."""

    def tokens_last(t: Tensor) -> Tensor:
        return t.transpose(2, 3).contiguous()

    y = scan_kernel(
        tokens_last(x).flatten(1, 2),
        tokens_last(delta).flatten(1, 2),
        A.reshape(-1, 1),
        tokens_last(B),
        tokens_last(C),
        D.flatten(),
        delta_softplus=True,
    )
    return y.unflatten(1, A.shape).transpose(2, 3)
