"""What RoPE, LePE and CPE each add to what a token of MILA reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..engine.errors import UsageError
from ..models.mila import MILA, Block
from ..models.ops.depthwise import depthwise
from ..models.ops.linear_attention import attention_row
from ..models.ops.rotary import RotaryTable
from .stages import Token, as_batch, backbone_of, stage_maps, token_at

POSITIONS = ('RoPE', 'LePE', 'CPE')


@dataclass(frozen=True)
class Reading:
    """What the last block of a stage reads at a point.

    Attributes:
        stage: its number, from 0.
        query: (row, column) of the token that holds the point.
        whole: (h, w) float32, the weight of each token's value, with all positions.
        without: the same without each of POSITIONS.
    """

    stage: int
    query: Token
    whole: np.ndarray
    without: dict[str, np.ndarray]


@torch.no_grad()
def readings(model: nn.Module, image: Tensor, point: tuple[int, int]) -> list[Reading]:
    """What a point's token reads in the last block of each stage of a MILA.

    Args:
        model: with a MILA, in evaluation mode.
        image: (3, H, W) or (1, 3, H, W), normalised as the backbone takes it.
        point: (x, y) of a pixel of it.

    Raises:
        UsageError: the model has no MILA, or the point lies beyond the image.
    """
    backbone = backbone_of(model)
    if not isinstance(backbone, MILA):
        raise UsageError(
            f'RoPE, LePE and CPE are told apart for MILA alone, not for {type(backbone).__name__}.'
        )
    images = as_batch(model, image)
    seen: list[tuple[Block, Tensor, RotaryTable]] = []
    hooks = [
        stage.blocks[-1].register_forward_pre_hook(lambda block, args: seen.append((block, *args)))
        for stage in backbone.layers
    ]
    try:
        stage_maps(backbone, images)
    finally:
        for hook in hooks:
            hook.remove()
    found = []
    for stage, (block, x, table) in enumerate(seen):
        query = token_at(point, images.shape[-2:], x.shape[1:3])
        read = partial(read_block, block, x, table, query)
        without = {name: _array(read(missing=[name])) for name in POSITIONS}
        found.append(Reading(stage, query, _array(read()), without))
    return found


def read_block(
    block: Block, x: Tensor, table: RotaryTable, query: Token, missing: Sequence[str] = ()
) -> Tensor:
    """The weight of each token's value in what one token reads in a block, LePE's 3x3 included.

    Args:
        block: of a MILA.
        x: (1, H, W, C), what it gets.
        table: as for the block.
        query: (row, column) of the token that reads.
        missing: those of POSITIONS that are left out; CPE is the one before the attention.

    Returns:
        (H, W), the mean over channels.
    """
    if 'CPE' not in missing:
        x = depthwise(block.cpe1, x, residual=True)
    values = depthwise(block.dwc, block.in_proj(block.norm1(x)), after='silu')
    q, k = (F.elu(t.float()) + 1 for t in block.attn.qk(values).chunk(2, dim=-1))
    if 'RoPE' in missing:
        table = (torch.ones_like(table[0]), torch.zeros_like(table[1]))
    weights = attention_row(q, k, table, block.attn.num_heads, query)[0].mean(dim=0)
    if 'LePE' not in missing:
        weights = weights + _at(block.attn.lepe.weight.mean(dim=(0, 1)), query, weights.shape)
    return weights


def _at(kernel: Tensor, query: Token, size: Sequence[int]) -> Tensor:
    """A 3x3 kernel around a token of a map of `size` (H, W), which is 0 elsewhere."""
    padded = kernel.new_zeros(size[0] + 2, size[1] + 2)
    padded[query[0] : query[0] + 3, query[1] : query[1] + 3] = kernel
    return padded[1:-1, 1:-1]


def _array(weights: Tensor) -> np.ndarray:
    return weights.float().cpu().numpy()
