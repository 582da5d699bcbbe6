"""Stages with rotary positions: every block gets the table of the map's size."""

import pytest
import torch
from torch import nn

from classification.models.ops.rotary import rotary_table
from classification.models.rotary_stage import RotaryStage


class Seen(nn.Module):
    """A block that keeps what it is given."""

    def forward(self, x, table):
        self.table = table
        return x


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32, torch.float64])
def test_blocks_share_the_table_of_the_map(dtype):
    blocks = [Seen(), Seen()]
    stage = RotaryStage(blocks, nn.Identity(), rotary_dim=8)
    stage(torch.zeros(2, 3, 5, 16, dtype=dtype))
    expected = rotary_table(3, 5, 8, 'cpu', torch.promote_types(dtype, torch.float32))
    for block in blocks:
        assert all(map(torch.equal, block.table, expected))
        assert {t.dtype for t in block.table} == {t.dtype for t in expected}
