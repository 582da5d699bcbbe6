"""The released MILA files: their one difference from the model here is a table in every block."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from .ops.rotary import rotary_table
from .rotary_stage import RotaryStage
from .staged import StagedModel

# One table of rotary angles per block, sized for one resolution; here tables are computed.
ROTARY_BUFFER = 'attn.rope.rotations'


def drop_rotary_buffers_(state_dict: dict[str, Tensor], prefix: str = '') -> None:
    """Remove the tables of a released file from the entries under `prefix`, in place."""
    for name in [n for n in state_dict if n.startswith(prefix) and n.endswith(ROTARY_BUFFER)]:
        del state_dict[name]


def with_rotary_buffers(model: StagedModel, size: int) -> dict[str, Tensor]:
    """The state dict of a MILA as in a released file: with a rotary table in every block.

    Args:
        model: a MILA.
        size: side of the square images in pixels, a multiple of 32, which the official code needs.

    Raises:
        ValueError: another size.
    """
    if size % 32:
        raise ValueError(f'the official code takes multiples of 32, not {size}.')
    state_dict = model.state_dict()
    stages = cast(Sequence[RotaryStage], model.layers)
    for info, stage in zip(model.feature_info, stages, strict=True):
        side = size // info['reduction']
        table = rotary_table(side, side, stage.positions.dim, 'cpu')
        for j in range(len(stage.blocks)):
            # Complex numbers as pairs (H, W, C / 2, 2); a copy for each block, as in the files.
            name = f'{info["module"]}.blocks.{j}.{ROTARY_BUFFER}'
            state_dict[name] = torch.stack(table, dim=-1)
    return state_dict
