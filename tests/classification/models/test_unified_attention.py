"""The unified operator as a layer: what each token reads, each switch, half precision."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from classification.models.design import Design
from classification.models.ops.layout import to_sequence
from classification.models.ops.rotary import rotary_table
from classification.models.ops.unified import ForgetGate
from classification.models.unified_attention import UnifiedAttention


@pytest.mark.parametrize('normalise', [True, False])
def test_half_precision_where_features_vanish_and_gates_saturate(normalise):
    """ELU + 1 is 0 in fp16 below -17: 0 / 0 must not follow."""
    design = Design(True, True, normalise=normalise, scan='row')
    attention = UnifiedAttention(8, 2, 4, 1, design, project_value=True).half()
    with torch.no_grad():
        attention.qk.bias.fill_(-30)
        attention.delta_bias.fill_(100)
    x = torch.randn(1, 3, 3, 8, dtype=torch.float16, requires_grad=True)
    y = attention(x)
    y.sum().backward()
    assert y.isfinite().all() and x.grad.isfinite().all()


@pytest.mark.parametrize('forget_gate', [False, True])
@pytest.mark.parametrize(
    'direction, earlier',
    [
        ('row', [(0, 0), (0, 3), (1, 1)]),
        ('row_back', [(1, 3), (2, 0), (2, 3)]),
        ('column', [(0, 0), (2, 1), (0, 2)]),
        ('column_back', [(2, 2), (0, 3), (2, 3)]),
    ],
)
def test_a_token_reads_what_lies_before_it_in_the_scan(direction, earlier, forget_gate):
    """Which tokens of 3 x 4 the token at row 1, column 2 depends on."""
    torch.manual_seed(0)
    design = Design(forget_gate=forget_gate, scan=direction, pos='rope')
    attention = UnifiedAttention(8, 2, 4, 1, design, project_value=True)
    x = torch.randn(1, 3, 4, 8, requires_grad=True)
    attention(x, rotary_table(3, 4, 8, 'cpu'))[0, 1, 2].sum().backward()
    reads = x.grad[0].abs().sum(-1) > 0
    rows, columns = torch.meshgrid(torch.arange(3), torch.arange(4), indexing='ij')
    order = {'row': 4 * rows + columns, 'column': 3 * columns + rows}[direction.split('_')[0]]
    order = -order if direction.endswith('back') else order
    assert torch.equal(reads, order <= order[1, 2])
    assert all(reads[place] for place in earlier)


def test_non_causal_attention_reads_everything():
    attention = UnifiedAttention(8, 2, 4, 1, Design(), project_value=True)
    x = torch.randn(1, 3, 4, 8, requires_grad=True)
    attention(x)[0, 1, 2].sum().backward()
    assert (x.grad.abs().sum(-1) > 0).all()


def attention_pair(**switches):
    """The baseline's attention, and one with a switch and the same weights besides."""
    pair = [UnifiedAttention(8, 2, 4, 1, Design(**s), project_value=True) for s in ({}, switches)]
    pair[1].load_state_dict(pair[0].state_dict(), strict=False)
    return pair


def test_shortcut_adds_the_input_of_the_attention():
    off, on = attention_pair(shortcut=True)
    torch.nn.init.normal_(on.D)
    x = torch.randn(2, 3, 4, 8)
    assert torch.allclose(on(x), off(x) + on.D * x, atol=1e-6)


def test_without_normalisation_the_memory_is_a_mean():
    off, on = attention_pair(normalise=False)
    x = torch.randn(2, 3, 4, 8)
    q, k = ((F.elu(t) + 1).view(2, 12, 2, 4).transpose(1, 2) for t in off.qk(x).chunk(2, dim=-1))
    scale = q @ k.mean(dim=2)[..., None]  # what the baseline divides by
    expected = off(x).view(2, 12, 2, 4) * scale.transpose(1, 2)
    assert torch.allclose(on(x).view(2, 12, 2, 4), expected, atol=1e-5)


class Given(torch.nn.Module):
    """Stands for the projection of the values: gives what it is told."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def forward(self, x):
        return self.values


@pytest.mark.parametrize(
    'switches',
    [
        dict(),
        dict(pos=('rope',)),
        dict(pos=('lepe',)),
        dict(scan=('row', 'column_back')),
        dict(input_gate=True, forget_gate=True, shortcut=True, normalise=False, scan=('column',)),
    ],
)
def test_attention_map_is_how_the_result_follows_each_value(switches):
    torch.manual_seed(0)
    dim, height, width = 8, 3, 4
    attn = UnifiedAttention(dim, 2, 4, 2, Design(**switches), project_value=True).double()
    x = torch.randn(1, height, width, dim, dtype=torch.float64)
    table = None
    if 'rope' in attn.design.pos:
        table = rotary_table(height, width, dim, x.device, x.dtype)
    query = (1, 2)
    found = attn.attention_map(x, query, table)
    values = torch.randn_like(x)
    for row, column in itertools.product(range(height), range(width)):
        changed = values.clone()
        changed[0, row, column] += 1
        with torch.no_grad():
            before, after = (_with_values(attn, v, x, table)[0][query] for v in (values, changed))
        torch.testing.assert_close(found[row, column], (after - before).mean())


def _with_values(attn, values, x, table):
    attn.value = Given(values)
    return attn(x, table)


@pytest.mark.parametrize('scan', [('row',), ('column_back',), ('row', 'row_back')])
def test_decay_map_is_the_product_of_the_gates_in_between(scan):
    torch.manual_seed(0)
    dim, height, width = 8, 3, 4
    design = Design(forget_gate=True, scan=scan)
    attn = UnifiedAttention(dim, 2, 4, 2, design, project_value=True)
    x = torch.randn(1, height, width, dim)
    query = (1, 2)
    expected = torch.zeros(height, width)
    for order in scan:
        step = attn._heads(attn.delta(x), order)
        gates = ForgetGate(step, attn.A_log.exp()).value()[0].detach()  # (heads, N, d, e)
        places = to_sequence(torch.arange(height * width).view(1, height, width), order)[0].tolist()
        end = places.index(query[0] * width + query[1])
        for i in range(end + 1):
            left = gates[:, i + 1 : end + 1].prod(dim=1).mean()
            expected.view(-1)[places[i]] += left / len(scan)
    torch.testing.assert_close(attn.decay_map(x, query), expected)


def test_decay_map_of_other_orders_than_the_designs():
    torch.manual_seed(0)
    design = Design(forget_gate=True, scan=('row',))
    attn = UnifiedAttention(8, 2, 4, 2, design, project_value=True)
    other = UnifiedAttention(8, 2, 4, 2, Design(forget_gate=True, scan='column'), True)
    other.load_state_dict(attn.state_dict())
    x = torch.randn(1, 3, 4, 8)
    assert torch.equal(attn.decay_map(x, (1, 2), scan=('column',)), other.decay_map(x, (1, 2)))
    assert attn.design is design
