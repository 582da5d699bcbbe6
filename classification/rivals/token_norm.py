"""Batch norm of features whose channels come last."""

from timm.models import register_notrace_module
from torch import Tensor, nn


@register_notrace_module  # it checks the shape
class TokenBatchNorm(nn.BatchNorm1d):
    """Batch norm over all axes but the last, of (..., C).

    On the CPU it is also right where `nn.BatchNorm2d` is not: for a batch of one whose input and
    gradient differ in layout.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        return super().forward(x.flatten(0, -2)).view(x.shape)
