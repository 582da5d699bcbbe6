"""classification/engine/loading.py: strict, prefixes aside, and what the user is told."""

import pytest
import timm
import torch
from torch import nn

from classification.engine.loading import load_weights
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
