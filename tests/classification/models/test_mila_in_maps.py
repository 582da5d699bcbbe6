"""MILA's block on maps, as in compiled and exported graphs, against the plain one."""

import pytest
import torch
from torch import nn

from classification.models import MILA, mila_in_maps
from classification.models.mila import Block
from classification.models.ops import devices
from classification.models.ops.layer_norm import layer_norm_of_maps
from classification.models.ops.rotary import rotary_table
from tests.classification.models.test_mila_in_chunks import (
    with_adapter,
    with_hook,
    with_parametrisation,
)
from tests.helpers import gradients, relative_error


@pytest.fixture
def used(monkeypatch):
    """A list of the blocks that were computed on maps."""
    calls, compute = [], mila_in_maps.block_in_maps
    monkeypatch.setattr(
        mila_in_maps, 'block_in_maps', lambda *args: calls.append(args[0]) or compute(*args)
    )
    return calls


@pytest.fixture
def graph(monkeypatch):
    """Blocks are computed as for a graph, here and now."""
    monkeypatch.setattr(mila_in_maps, 'becomes_a_graph', lambda x: True)


def block(dim=16, heads=4, **kwargs):
    torch.manual_seed(0)
    return Block(dim, heads, **kwargs).eval()


@pytest.mark.parametrize('dim, heads', [(16, 4), (16, 8), (8, 1)])
@pytest.mark.parametrize('shape', [(1, 1, 1), (2, 5, 7), (3, 4, 9)], ids=str)
def test_block(shape, dim, heads):
    module = block(dim, heads).double()
    table = rotary_table(*shape[1:], dim, 'cpu', torch.float64)
    found = []
    for function in (module, lambda *args: mila_in_maps.block_in_maps(module, *args)):
        x = torch.randn(*shape, dim, generator=torch.manual_seed(1), dtype=torch.float64)
        x.requires_grad_()
        module.zero_grad()
        y = function(x, table)
        y.square().sum().backward()
        found.append({'y': y.detach(), 'x': x.grad, **gradients(module)})
    plain, maps = found
    for name, expected in plain.items():
        torch.testing.assert_close(maps[name], expected, rtol=1e-10, atol=1e-10, msg=name)


@pytest.mark.parametrize('dtype, tolerance', [(torch.bfloat16, 1e-2), (torch.float16, 2e-3)])
def test_half_precision(dtype, tolerance):
    module, x = block(), torch.randn(2, 5, 7, 16)
    table = rotary_table(5, 7, 16, 'cpu')
    with torch.no_grad():
        expected = module(x, table)
        found = mila_in_maps.block_in_maps(module.to(dtype), x.to(dtype), table)
    assert found.dtype == dtype and relative_error(found, expected) < tolerance


def test_layer_norm():
    norm, x = nn.LayerNorm(6), 5 + torch.randn(2, 6, 3, 4)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    expected = norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(layer_norm_of_maps(norm, x), expected)


def test_a_graph_has_it(used):
    torch.manual_seed(0)
    model = MILA(embed_dim=8, depths=(1, 1), num_heads=(1, 2), num_classes=5).eval()
    x = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        program = torch.export.export(model, (x,))
        assert len(used) == 2
        torch.testing.assert_close(program.module()(x), model(x))
        kinds = {str(node.target) for node in program.graph.nodes}
        assert 'aten.layer_norm.default' in kinds  # behind the last stage alone
        with devices.keep_linear_layers():
            torch.export.export(model, (x,))
        assert len(used) == 2
    model(x)
    assert len(used) == 2


@pytest.mark.parametrize('change', [with_hook, with_adapter, with_parametrisation])
def test_a_changed_layer_is_called(change, graph, used):
    module, x = block(), torch.randn(1, 4, 5, 16)
    change(module)
    module(x, rotary_table(4, 5, 16, 'cpu'))
    assert not used


def test_pairs_in_two_heads_go_the_plain_way(graph, used):
    block(12, 4)(torch.randn(1, 4, 5, 12), rotary_table(4, 5, 12, 'cpu'))
    assert not used


def test_stochastic_depth_is_kept(graph, used):
    module, x = block(drop_path=0.9).train(), torch.randn(64, 2, 2, 16)
    y = module(x, rotary_table(2, 2, 16, 'cpu'))
    assert used
    kept = x.permute(0, 3, 1, 2)
    kept = kept + module.cpe1(kept)
    kept = (kept + module.cpe2(kept)).permute(0, 2, 3, 1)
    skipped = [torch.allclose(one, two, atol=1e-6) for one, two in zip(y, kept, strict=True)]
    assert 30 < sum(skipped) < 64  # both branches, with a probability of .81
