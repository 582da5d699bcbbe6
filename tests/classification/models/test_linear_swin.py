"""The study's models: every row, each switch, the blocks they lead to, refusals."""

import itertools
import zlib

import pytest
import timm
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from classification.models import ROWS, LinearSwin
from classification.models import mila as mila_models
from classification.models.design import Design
from classification.models.linear_swin import Block
from classification.models.ops.rotary import rotary_table

SMALL = dict(num_classes=5, img_size=32, embed_dim=16, depths=(1, 2), num_heads=(2, 4))


def build(row='baseline', **kwargs):
    torch.manual_seed(0)
    return timm.create_model(f'study_{row}', **{**SMALL, **kwargs})


def images(height=32, width=32, batch=2):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_forget_gate_costs_9_flops_per_state_and_each_direction_again():
    def count(**switches):
        model = build(depths=(1,), num_heads=(2,), **switches).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(images(batch=1))
        return counter.get_total_flops() / 2

    states = 64 * 16 * 8  # tokens, channels, keys of a head
    plain = count(normalise=False)
    one = count(normalise=False, forget_gate=True, scan=('row',))
    two = count(normalise=False, forget_gate=True, scan=('row', 'column_back'))
    assert two - one == 9 * states
    projection = 2 * 64 * 16  # of rank 1
    assert one - plain == (9 - 2) * states + projection  # no product for the writing of S


# Every row


@pytest.mark.parametrize('row', ROWS)
def test_row_trains_every_parameter(row):
    model = build(row)
    y = model(images())
    assert y.shape == (2, 5)
    F.cross_entropy(y, torch.tensor([1, 3])).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all(), name
        assert p.grad.abs().max() > 0, name


@pytest.mark.parametrize('row', ROWS)
def test_rows_take_any_size_and_give_maps(row):
    model = build(row, features_only=True, out_indices=(0, 1))
    maps = model(images(45, 21))
    assert [tuple(m.shape) for m in maps] == [(2, 16, 12, 6), (2, 32, 6, 3)]
    assert model.feature_info.channels() == [16, 32]
    assert model.feature_info.reduction() == [4, 8]


@pytest.mark.parametrize('row', ['baseline', 'forget_gate', 'mamba', 'winners'])
def test_timms_interface(row):
    model = build(row).eval()
    x = images()
    features = model.forward_features(x)
    assert features.shape == (2, 4, 4, 32)
    assert torch.equal(model.forward_head(features), model(x))
    model.reset_classifier(3)
    assert model(x).shape == (2, 3)
    assert model.default_cfg['classifier'] == 'head'


@pytest.mark.parametrize('row', ['baseline', 'forget_gate', 'mamba', 'winners', 'ape'])
def test_checkpointing_changes_nothing(row):
    results = []
    for enable in (False, True):
        model = build(row)
        model.set_grad_checkpointing(enable)
        y = model(images())
        y.square().sum().backward()
        results.append([y, *(p.grad for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('row', ROWS)
def test_half_precision(row, dtype):
    model = build(row).eval()
    x = images()
    expected = model(x)
    with torch.autocast('cpu', dtype):
        assert (model(x).float() - expected).abs().max() < 0.05 * expected.abs().max()
    assert model.to(dtype)(x.to(dtype)).isfinite().all()


# Each switch


SWITCHES = [
    dict(input_gate=True),
    dict(scan=('row',)),
    dict(forget_gate=True, scan=('row',)),
    dict(forget_gate=True, scan=('column',)),
    dict(forget_gate=True, scan=('row', 'row_back')),
    dict(forget_gate=True, scan=('row', 'row_back', 'column', 'column_back')),
    dict(shortcut=True),
    dict(normalise=False),
    dict(single_head=True),
    dict(block='gated'),
    dict(block='gated+mlp'),
    dict(reach=1),
    *(dict(pos=(pos,)) for pos in ('ape', 'lepe', 'cpe', 'rope')),
]


def test_each_switch_has_an_effect_of_its_own():
    outputs = []
    for switches in ({}, *SWITCHES):
        model = build(**switches).eval()
        with torch.no_grad():
            for name, p in model.named_parameters():  # the same numbers where names are the same
                generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
                p.copy_(0.3 * torch.randn(p.shape, generator=generator))
            outputs.append(model(images()))
    for a, b in itertools.combinations(outputs, 2):
        assert (a - b).abs().max() > 1e-4


@pytest.mark.parametrize('block', ['attention+mlp', 'gated+mlp', 'gated'])
@pytest.mark.parametrize('single_head', [False, True])
@pytest.mark.parametrize('forget_gate', [False, True])
def test_switches_combine(block, single_head, forget_gate):
    model = build(
        input_gate=True,
        shortcut=True,
        normalise=False,
        single_head=single_head,
        block=block,
        forget_gate=forget_gate,
        pos=('ape', 'lepe', 'cpe', 'rope'),
        scan=('row', 'column_back') if forget_gate else (),
    )
    y = model(images())
    y.sum().backward()
    assert y.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_ape_keeps_its_table_at_its_size_and_stretches_it_elsewhere():
    block = Block(8, 2, Design(pos='ape'), (4, 6), 4.0, 0.0)
    with torch.no_grad():
        block.ape.copy_(torch.linspace(0, 1, 6)[:, None].expand(4, 6, 8))
    assert block._ape(4, 6) is block.ape
    stretched = block._ape(3, 12)[0]
    assert stretched.shape == (3, 12, 8)
    assert (stretched[:, 1:] > stretched[:, :-1]).all()


def test_first_gates():
    """The input gate starts as if it were not there, the forget gate near 1."""
    x = torch.randn(1, 2, 2, 16)
    off = build().layers[0].blocks[0].mixer.attn
    on = build(input_gate=True).layers[0].blocks[0].mixer.attn
    on.load_state_dict(off.state_dict(), strict=False)
    torch.nn.init.zeros_(on.delta_up.weight)
    assert torch.allclose(on(x), off(x), atol=1e-6)
    steps = F.softplus(build('forget_gate').layers[0].blocks[0].mixer.attn.delta_bias)
    assert 0.0009 < steps.min() and steps.max() < 0.11


def test_weight_decay_leaves_gates_and_positions():
    names = build('mamba', pos='ape').no_weight_decay()
    assert {name.split('.')[-1] for name in names} == {'A_log', 'delta_bias', 'D', 'ape'}


# What the switches lead to


def test_all_six_switches_are_mambas_block():
    """x + W_o (SSM(SiLU(DWConv(W_i x'))) ⊙ SiLU(W_a x')), with a plain loop for the SSM."""
    torch.manual_seed(0)
    dim, height, width = 8, 3, 5
    design = Design(True, True, True, False, True, 'gated', scan='row')
    block = Block(dim, 2, design, (1, 1), 4.0, 0.0).double()
    mixer, attn = block.mixer, block.mixer.attn
    image = torch.randn(2, height, width, dim, dtype=torch.float64)

    z = block.norm1(image)
    x = F.silu(mixer.dwc(mixer.in_proj(z).permute(0, 3, 1, 2))).flatten(2).transpose(1, 2)
    step = F.softplus(attn.delta_up(attn.delta_down(x)) + attn.delta_bias)
    A = -attn.A_log[0].exp()
    C, B = (F.elu(t) + 1 for t in attn.qk(x).chunk(2, dim=-1))
    h = torch.zeros(2, A.shape[0], 2 * dim, dtype=torch.float64)
    y = []
    for i in range(height * width):
        h = torch.exp(step[:, i, None] * A) * h + B[:, i, :, None] * (step * x)[:, i, None]
        y.append(torch.einsum('bn,bnc->bc', C[:, i], h) + attn.D * x[:, i])
    y = torch.stack(y, dim=1).view(2, height, width, 2 * dim)
    expected = image + mixer.out_proj(y * F.silu(mixer.act_proj(z)))
    assert torch.allclose(block(image), expected, atol=1e-12)


def test_the_winners_together_are_milas_block():
    torch.manual_seed(0)
    dim, heads = 16, 2
    theirs = mila_models.Block(dim, heads).double()
    ours = Block(dim, heads, Design(**ROWS['winners']), (1, 1), 4.0, 0.0).double()
    state = theirs.state_dict()
    renamed = {
        (name if name.startswith(('cpe', 'norm', 'mlp')) else f'mixer.{name}'): value
        for name, value in state.items()
    }
    # The study's convolution is 5x5: MILA's 3x3 in its middle.
    renamed['mixer.dwc.weight'] = F.pad(state['dwc.weight'], (1, 1, 1, 1))
    ours.load_state_dict(renamed)
    x = torch.randn(2, 5, 7, dim, dtype=torch.float64)
    table = rotary_table(5, 7, dim, 'cpu', torch.float64)
    assert torch.allclose(ours(x, table), theirs(x, table), atol=1e-12)


# Refusals


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(forget_gate=True), r"forget_gate=True .* combines with a scan, such as scan=\('row'"),
        (dict(num_heads=(3, 4)), '16 channels do not divide into num_heads=3'),
        (dict(num_heads=(2,)), 'differ in length'),
        (dict(block='mamba'), "block 'mamba' is none of"),
        (dict(pos=('rope', 'lope')), 'pos takes each of'),
        (dict(scan=('row', 'row')), 'scan takes each of .* at most once'),
        (dict(scan='diagonal'), 'scan takes each of'),
        (dict(pos='rope', single_head=True, embed_dim=10, num_heads=(1, 1)), 'a multiple of 4'),
    ],
)
def test_bad_switches_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


def test_unknown_arguments_are_errors():
    with pytest.raises(TypeError, match='forgetgate'):
        LinearSwin(forgetgate=True)


# The same weights under other switches


@pytest.mark.parametrize('pos', ['ape', 'lepe', 'cpe', 'rope'])
def test_with_design_switches_positions_off(pos):
    model, plain = build(pos).eval(), build('baseline').eval()
    off = model.with_design(pos=())
    plain.load_state_dict({n: v for n, v in model.state_dict().items() if n in plain.state_dict()})
    torch.testing.assert_close(off(images()), plain(images()), rtol=0, atol=0)
    assert (off(images()) - model(images())).abs().max() > 1e-4  # which keeps its own design
    assert not off.training and model.train().with_design(pos=()).training


def test_with_design_shares_the_weights_and_draws_nothing():
    model = build('forget_gate')
    state = torch.get_rng_state()
    other = model.with_design(scan=('column', 'row_back'))
    assert torch.equal(torch.get_rng_state(), state)
    assert other.design.scan == ('column', 'row_back') and model.design.scan == ('row',)
    for name, value in model.state_dict().items():
        assert other.state_dict()[name].data_ptr() == value.data_ptr(), name
    assert all(p.requires_grad for p in other.parameters())


@pytest.mark.parametrize('changes', [dict(pos='cpe'), dict(shortcut=True), dict(block='gated')])
def test_with_design_refuses_what_needs_other_weights(changes):
    with pytest.raises(ValueError, match='needs other weights than the model has'):
        build().with_design(**changes)
