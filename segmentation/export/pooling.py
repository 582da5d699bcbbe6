"""Adaptive average pooling to few bins, of maps of any size, in operators that are traced."""

from typing import Any

import torch
from torch import Tensor, nn


class MatrixPool(nn.Module):
    """nn.AdaptiveAvgPool2d as two products with matrices, whose sizes follow the map's.

    Args:
        size: (rows, columns) of bins.
    """

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, *size)."""
        rows = averages(self.size[0], x.shape[2], x)
        columns = averages(self.size[1], x.shape[3], x)
        return rows @ x @ columns.T


def averages(bins: int, length: int, like: Tensor) -> Tensor:
    """(bins, length): bin i averages places floor(i L / n) to ceil((i + 1) L / n), exclusive."""
    places = torch.arange(length, device=like.device)
    index = torch.arange(bins, device=like.device)[:, None]
    first, end = index * length // bins, ((index + 1) * length + bins - 1) // bins
    inside = (places >= first) & (places < end)
    return inside.to(like.dtype) / (end - first).to(like.dtype)


def with_matrix_pools(module: nn.Module) -> None:
    """Replace every nn.AdaptiveAvgPool2d in a module, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.AdaptiveAvgPool2d):
            size: Any = child.output_size
            setattr(module, name, MatrixPool(size if isinstance(size, tuple) else (size, size)))
        else:
            with_matrix_pools(child)
