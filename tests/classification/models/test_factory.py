"""timm models by name: the nearest names, images of any size."""

import pytest
import torch

from classification.models.factory import any_size, create_model


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no model 'mambaot_tiny'; near it: mambaout_tiny"):
        create_model('mambaot_tiny')
    with pytest.raises(ValueError, match="no model '%%%'; near it: none"):
        create_model('%%%')


@pytest.mark.parametrize('name', ['swin_tiny_patch4_window7_224', 'vit_tiny_patch16_224'])
def test_models_of_one_size_take_any(name):
    small = dict(depths=(1, 1, 1, 1), embed_dim=24) if 'swin' in name else dict(depth=1)
    images = torch.zeros(1, 3, 64, 96)
    with pytest.raises((AssertionError, RuntimeError)):
        create_model(name, **small)(images)
    assert create_model(name, **any_size(name), **small)(images).shape == (1, 1000)


def test_others_need_nothing():
    assert any_size('mila_tiny') == any_size('convnext_tiny') == {}
