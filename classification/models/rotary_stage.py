"""A stage whose blocks turn their queries and keys by position (RoPE)."""

from collections.abc import Sequence

import torch
from timm.models import register_notrace_module
from torch import Tensor, nn

from .ops.rotary import RotaryTable, rotary_table
from .staged import Stage


@register_notrace_module  # sizes are read
class RotaryPositions(nn.Module):
    """The rotary table of a map's size.

    Args:
        dim: channels that the table turns, a multiple of 4.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> RotaryTable:
        """For features x (B, H, W, C), in float32 or better: (H, W, dim / 2) twice."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        height, width = x.shape[1:3]
        return rotary_table(height, width, self.dim, x.device, dtype)


class RotaryStage(Stage):
    """A Stage that hands its blocks the rotary table of the map's size.

    Args:
        blocks: modules that take the features (B, H, W, C) and the table.
        downsample: as for Stage.
        rotary_dim: channels that the table turns, a multiple of 4.
    """

    def __init__(self, blocks: Sequence[nn.Module], downsample: nn.Module, rotary_dim: int) -> None:
        super().__init__(blocks, downsample)
        self.positions = RotaryPositions(rotary_dim)

    def block_arguments(self, x: Tensor) -> tuple[RotaryTable]:
        """The table for features x (B, H, W, C), see RotaryPositions."""
        return (self.positions(x),)
