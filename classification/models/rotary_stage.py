"""A stage whose blocks turn their queries and keys by position (RoPE)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .ops.rotary import RotaryTable, rotary_table
from .staged import Stage


class RotaryStage(Stage):
    """A Stage that hands its blocks the rotary table of the map's size.

    Args:
        blocks: modules that take the features (B, H, W, C) and the table.
        downsample: as for Stage.
        rotary_dim: channels that the table turns, a multiple of 4.
    """

    def __init__(self, blocks: Sequence[nn.Module], downsample: nn.Module, rotary_dim: int) -> None:
        super().__init__(blocks, downsample)
        self.rotary_dim = rotary_dim

    def block_arguments(self, x: Tensor) -> tuple[RotaryTable]:
        """The table for features x (B, H, W, C), in float32 or better: (H, W, rotary_dim / 2)."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        height, width = x.shape[1:3]
        return (rotary_table(height, width, self.rotary_dim, x.device, dtype),)
