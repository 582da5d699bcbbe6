"""engine/weights/loading.py: strict, prefixes aside, and what the user is told."""

import pytest
import timm
import torch
from torch import nn

from classification.engine.weights.loading import load_weights
from tests.checkpoints import (
    FIRST,
    STATE,
    assert_loads,
    assert_refused,
    nano,
    prefixed,
)


@pytest.mark.parametrize(
    'prefix',
    [
        'module.',
        '_orig_mod.',
        'module._orig_mod.',
        '_orig_mod.module.',
        'backbone.',
        'module.backbone.',
        'backbone._orig_mod.',
        '_orig_mod.module.backbone.',
    ],
)
def test_prefixes(save, prefix):
    assert_loads(save({'state_dict': prefixed(prefix)}))


def test_a_backbone_in_and_out_of_a_whole_model(save, lines):
    detector = {**prefixed('backbone.'), 'rpn_head.weight': torch.zeros(1), 'neck.b': torch.ones(2)}
    assert_loads(save({'state_dict': detector}))
    assert lines[0].endswith('; left in the file: neck, rpn_head')

    whole = nn.ModuleDict({'backbone': nano(), 'neck': nn.Linear(2, 2)})
    assert_refused(save(STATE), r'2 missing \(neck.weight; neck.bias\)', whole)
    load_weights(whole, save(STATE), missing=['neck.'])
    torch.testing.assert_close(whole.backbone.state_dict(), STATE)
    assert lines[-1].endswith('; not in the file, initialised: neck')


def test_half_precision_files_keep_the_models_dtype(save):
    model = nano()
    load_weights(model, save({name: value.half() for name, value in STATE.items()}))
    assert model.head.weight.dtype == torch.float32
    torch.testing.assert_close(model.head.weight, STATE['head.weight'].half().float())


@pytest.mark.parametrize(
    'changes, said',
    [
        (dict(depths=(1, 1, 3, 1)), r'24 missing \(layers\.2\.blocks\.2\.cpe1\.weight; '),
        (dict(depths=(1, 1, 1, 1)), r'24 unexpected \(layers\.2\.blocks\.1\.cpe1\.weight; '),
        (dict(embed_dim=16), rf'of another shape \({FIRST} is \(4, 3, 3, 3\), the model has \(8, '),
        (dict(num_classes=7), r'2 of another shape \(head\.weight is \(5, 64\), .* \(7, 64\); he'),
        (dict(num_classes=0), r'2 unexpected \(head\.weight; head\.bias\)'),
    ],
    ids=str,
)
def test_another_model(save, changes, said):
    sentence = assert_refused(save({'model': STATE}), said, nano(**changes))
    assert sentence.count(';') <= 8  # the first few names, not all
    assert sentence.endswith('give the file of this architecture and size.')


def test_a_foreign_file(save):
    assert_refused(
        save(timm.create_model('resnet18').state_dict()),
        rf'187 missing \({FIRST}; .*; …\), 122 unexpected \(conv1\.weight; bn1',
    )


def test_announced_differences_are_allowed_and_said(save, lines):
    model = nano(num_classes=0)
    assert_loads(
        save({'model': STATE}),
        {n: v for n, v in STATE.items() if n in model.state_dict()},
        model,
        unexpected=['head.'],
    )
    assert lines[-1].endswith('[model]; left in the file: head')

    kept = nano().head.weight.clone()
    model = nano()
    load_weights(model, save(nano(1, num_classes=0).state_dict()), missing=['head.'])
    assert lines[-1].endswith('; not in the file, initialised: head')
    torch.testing.assert_close(model.head.weight, kept)


def changed(name, value, state=STATE):
    return {**state, name: value}


WEIGHT = STATE[FIRST]
COUNTER = 'patch_embed.conv1.norm.num_batches_tracked'


@pytest.mark.filterwarnings('ignore::UserWarning')  # prototypes, says torch
@pytest.mark.parametrize(
    'make, kind',
    [
        (lambda weight: weight.to_sparse(), 'sparse'),
        (lambda weight: weight.flatten(1).to_sparse_csr(), 'sparse'),
        (lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8), 'quantised'),
        (lambda weight: weight.to('meta'), r'meta \(without content\)'),
        (lambda weight: torch.nested.nested_tensor(list(weight)), 'nested'),
    ],
    ids=['sparse', 'csr', 'quantised', 'meta', 'nested'],
)
def test_tensors_that_are_no_arrays_of_numbers(save, make, kind):
    path = save(changed(FIRST, make(WEIGHT)))
    assert_refused(path, f'has {FIRST} as a {kind} tensor: save it as an ordinary')


@pytest.mark.parametrize(
    'name, value, said',
    [
        (FIRST, WEIGHT.to(torch.complex64), 'complex64, the model has float32'),
        (FIRST, WEIGHT.to(torch.int64), 'int64, the model has float32'),
        (FIRST, WEIGHT > 0, 'bool, the model has float32'),
        (COUNTER, torch.tensor(0.5), 'float32, the model has int64'),
        (COUNTER, torch.tensor(True), 'bool, the model has int64'),
    ],
    ids=['complex', 'integer', 'bool', 'fraction', 'truth'],
)
def test_another_kind_of_numbers(save, name, value, said):
    path = save(changed(name, value))
    assert_refused(path, rf'1 of another kind \({name} is {said}\)')


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf'), 1e300])
def test_values_that_are_not_finite(save, value):
    weight = WEIGHT.double()
    weight.view(-1)[-1] = value  # 1e300 is infinite in the model's single precision
    path = save(changed(FIRST, weight))
    said = rf'not finite \(NaN or infinite\) in 1 of its {len(STATE)} tensors \({FIRST}\): its tr'
    assert_refused(path, said)


def test_values_that_are_not_loaded_may_be_anything(save):
    state = {**prefixed('backbone.'), 'neck.weight': torch.tensor([float('nan')])}
    assert_loads(save(state))


@pytest.mark.parametrize('wrapper', ['module.', '_orig_mod.'])
def test_names_that_are_one_without_their_prefix(save, wrapper):
    path = save({FIRST: WEIGHT, **prefixed(wrapper)})
    assert_refused(path, f'has two entries for {FIRST}, with and without a prefix')


def test_names_in_messages_are_printable(save, lines):
    path = save({**STATE, 'a\nb\x1b[31m' + 'x' * 10_000: WEIGHT})
    said = assert_refused(path, r'a\\nb\\x1b\[31mxxx')
    assert len(said) < 1500
    load_weights(nano(), path, unexpected=['a'])
    assert lines[-1].isprintable() and len(lines[-1]) < 1500
