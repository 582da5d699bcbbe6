"""RoPE, LePE and CPE told apart: against gradients of what MILA's block really computes."""

import pytest
import torch
import torch.nn.functional as F

from classification.engine.errors import UsageError
from classification.explanation.attention import attention_maps
from classification.explanation.positions import POSITIONS, read_block, readings
from classification.models.ops.linear_attention import linear_attention
from classification.models.ops.rotary import rotary_table
from tests.backbones import build as build_dense
from tests.small_models import build

QUERY = (2, 0)  # at an edge, beyond which LePE reads nothing


@pytest.fixture
def block():
    return build('mila_tiny').layers[0].blocks[0].double()


def linear_in_its_values(block, x, table):
    """The gradient of what QUERY reads at the values, queries and keys being held."""
    values = F.silu(block.dwc(block.in_proj(block.norm1(x)).permute(0, 3, 1, 2)))
    q, k = (F.elu(t) + 1 for t in block.attn.qk(values.permute(0, 2, 3, 1)).chunk(2, dim=-1))
    free = torch.zeros_like(values).requires_grad_()
    read = linear_attention(q, k, free.permute(0, 2, 3, 1), table, block.attn.num_heads)
    read = read + block.attn.lepe(free).permute(0, 2, 3, 1)
    (weights,) = torch.autograd.grad(read[0, QUERY[0], QUERY[1]].sum(), free)
    return weights[0].mean(dim=0)


def test_a_block_reads_what_its_gradient_says(block):
    x = torch.randn(1, 5, 7, 8, dtype=torch.float64)
    table = rotary_table(5, 7, 8, 'cpu', torch.float64)
    after = x + block.cpe1(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    expected = linear_in_its_values(block, after, table)
    torch.testing.assert_close(read_block(block, x, table, QUERY), expected, atol=1e-6, rtol=1e-5)
    bare = linear_in_its_values(block, x, table)
    torch.testing.assert_close(
        read_block(block, x, table, QUERY, ['CPE']), bare, atol=1e-6, rtol=1e-5
    )
    still = rotary_table(1, 1, 8, 'cpu', torch.float64)  # the origin's, which turns nothing
    torch.testing.assert_close(
        read_block(block, x, table, QUERY, ['RoPE']),
        linear_in_its_values(block, after, still),
        atol=1e-6,
        rtol=1e-5,
    )


def test_lepe_adds_a_kernel_around_the_query(block):
    x = torch.randn(1, 5, 7, 8, dtype=torch.float64)
    table = rotary_table(5, 7, 8, 'cpu', torch.float64)
    added = read_block(block, x, table, QUERY) - read_block(block, x, table, QUERY, ['LePE'])
    kernel = block.attn.lepe.weight.mean(dim=(0, 1))
    torch.testing.assert_close(added[1:4, :2], kernel[:, 1:], atol=1e-6, rtol=1e-5)
    added[1:4, :2] = 0
    assert added.abs().max() < 1e-7


def test_each_stage_is_read_as_its_attention_is():
    model = build('mila_tiny', depths=(2, 1))
    image = torch.randn(3, 64, 96)
    found = readings(model, image, (70, 20))
    maps = attention_maps(model, image, (70, 20))
    assert [one.query for one in found] == [one.query for one in maps]
    for one, plain in zip(found, maps, strict=True):
        assert set(one.without) == set(POSITIONS)
        assert one.without['LePE'] == pytest.approx(plain.weights, abs=1e-6)


def test_other_models_are_refused():
    with pytest.raises(UsageError, match='for MILA alone, not for ConvNeXt'):
        readings(build_dense('ConvNeXt').eval(), torch.randn(3, 64, 64), (3, 3))
