"""MILA's parts in chunks against the plain ones."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from classification.models import MILA, mila_in_chunks
from classification.models.mila import Block, Downsample
from classification.models.ops.rotary import rotary_table
from tests.helpers import relative_error


@pytest.fixture(params=[40, 1000, 2**17], ids='chunks of {}'.format)
def chunk(request, monkeypatch):
    """Chunks of one token or row, of several, and of all."""
    monkeypatch.setattr(mila_in_chunks, 'CHUNK', request.param)
    monkeypatch.setattr(mila_in_chunks, 'WIDE_CHUNK', request.param)


@pytest.fixture
def used(monkeypatch):
    """The names of the functions that computed in chunks, as they are called."""
    names = []
    for name in ('block_in_chunks', 'downsample_in_chunks'):
        plain = getattr(mila_in_chunks, name)
        monkeypatch.setattr(
            mila_in_chunks, name, lambda *x, f=plain, n=name: names.append(n) or f(*x)
        )
    return names


def block(**kwargs):
    torch.manual_seed(0)
    return Block(16, 4, **kwargs).eval()


@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize('shape', [(1, 1, 1), (2, 5, 7), (3, 4, 9)], ids=str)
def test_block(shape, dtype, tolerance, chunk, used):
    module, x = block(), torch.randn(*shape, 16)
    table = rotary_table(*shape[1:], 16, 'cpu')
    expected = module(x, table).detach()  # with gradients: plain
    kept = x.clone()
    with torch.no_grad():
        found = module.to(dtype)(x.to(dtype), table)
    assert used == ['block_in_chunks']
    assert relative_error(found, expected) < tolerance
    assert torch.equal(x, kept)


@pytest.mark.parametrize('shape', [(1, 1, 1), (2, 5, 7), (1, 8, 6), (2, 9, 3)], ids=str)
def test_downsample(shape, chunk, used):
    torch.manual_seed(0)
    module, x = Downsample(8).eval(), torch.randn(*shape, 8)
    expected = module(x).detach()
    with torch.no_grad():
        found = module(x)
    assert used == ['downsample_in_chunks']
    torch.testing.assert_close(found, expected)


def test_whole_model(used):
    torch.manual_seed(0)
    model = MILA(embed_dim=8, depths=(1, 1), num_heads=(1, 2), num_classes=5).eval()
    x = torch.randn(2, 3, 70, 45)
    expected = model(x).detach()
    with torch.inference_mode():
        torch.testing.assert_close(model(x), expected)
    assert sorted(used) == ['block_in_chunks', 'block_in_chunks', 'downsample_in_chunks']


# What chunks must not pass over


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


class Adapted(nn.Linear):
    """A layer that has a weight, as adapters do, and does something else with it."""

    def forward(self, x):
        return 2 * super().forward(x)


def with_hook(module):
    module.dwc.register_forward_hook(lambda module, inputs, output: 2 * output)


def with_adapter(module):
    module.act_proj.__class__ = Adapted


def with_parametrisation(module):
    parametrize.register_parametrization(module.attn.qk, 'weight', Doubled())


def in_training(module):
    module.train()


@pytest.mark.parametrize('change', [with_hook, with_adapter, with_parametrisation, in_training])
def test_a_changed_layer_is_called(change, used):
    module, x = block(drop_path=0.0), torch.randn(1, 4, 5, 16)
    change(module)
    table = rotary_table(4, 5, 16, 'cpu')
    expected = module(x, table).detach()
    with torch.no_grad():
        torch.testing.assert_close(module(x, table), expected)
    assert not used


def test_autocast_goes_the_plain_way(used):
    module, x = block(), torch.randn(1, 4, 5, 16)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        module(x, rotary_table(4, 5, 16, 'cpu'))
    assert not used


def test_fused_equals_unfused():
    torch.manual_seed(0)
    model = MILA(embed_dim=8, depths=(1, 1), num_heads=(1, 2), num_classes=5)
    for _ in range(3):
        model(torch.randn(4, 3, 64, 64))  # running statistics of their own
    model.eval()
    fused, x = copy.deepcopy(model).fuse(), torch.randn(2, 3, 64, 96)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    assert relative_error(fused(x), model(x)) < 1e-6
    with pytest.raises(RuntimeError, match='call eval'):
        model.train().fuse()
    with pytest.raises(RuntimeError, match='size mismatch|Unexpected|Missing'):
        fused.load_state_dict(model.state_dict())
