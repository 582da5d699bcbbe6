"""PlainMamba with its adapter as a backbone: maps, and files with and without an adapter."""

import pytest
import torch
from mmengine.registry import MODELS

import classification  # noqa: F401 - registers the models
from tests import rival_cases
from tests.helpers import images

ARCH = dict(
    embed_dim=16,
    depth=3,
    heads=4,
    points=2,
    deform_ratio=0.5,
    ffn_ratio=0.5,
    prior_dim=8,
    interactions=3,
)


def build(**options):
    torch.manual_seed(0)
    return MODELS.build(dict(type='PlainMambaAdapter', arch=ARCH, img_size=(48, 80), **options))


def test_gives_four_maps_which_checkpointing_leaves_as_they_are():
    found = []
    for with_cp in (False, True):
        maps = build(with_cp=with_cp).train()(images(64, 96))
        assert [tuple(y.shape) for y in maps] == [(2, 16, 16 >> i, 24 >> i) for i in range(4)]
        found.append(maps)
    torch.testing.assert_close(*found)


def test_a_classifiers_file_fills_all_but_the_adapter(tmp_path):
    case, path = rival_cases.oracle('plainmamba')['classification'], tmp_path / 'released.pth'
    torch.save(case['checkpoint'], path)
    model = build(init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    model.init_weights()
    state = rival_cases.weights(case)
    own = {n for n in model.state_dict() if f'backbone.{n}' in state}
    assert len(own) == len(state) - 4  # ln1 and the head
    for name in own:
        assert torch.equal(model.state_dict()[name], state[f'backbone.{name}'])


def test_a_detectors_file_fills_all(tmp_path):
    state = rival_cases.oracle('plainmamba_adapter')['dense']['state_dict']
    file = {f'backbone.{n}': value for n, value in state.items()}
    torch.save(dict(state_dict=file | {'neck.weight': torch.ones(1)}), tmp_path / 'detector.pth')
    model = build(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'detector.pth')))
    model.init_weights()
    torch.testing.assert_close(dict(model.state_dict()), state, rtol=0, atol=0)


def test_unknown_archs_are_refused():
    with pytest.raises(ValueError, match="arch 'tiny' is none of l1, l2, l3"):
        MODELS.build(dict(type='PlainMambaAdapter', arch='tiny'))
