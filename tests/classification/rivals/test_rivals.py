"""What is held of every rival, beside timm's interface and what is held of every backbone."""

import math

import pytest
import torch
from timm.optim import param_groups_layer_decay

from tests.helpers import gradients, images
from tests.small_models import RIVALS, build

every_rival = pytest.mark.parametrize('name', RIVALS)


@every_rival
@pytest.mark.parametrize('size', [(32, 32), (47, 63), (36, 120)], ids=str)
def test_maps_of_any_size(name, size):
    model = build(name, features_only=True)
    assert model.feature_info.reduction() == [4, 8, 16, 32]
    with torch.no_grad():
        maps = model(images(*size))
    sides = size
    if name.startswith('cswin'):
        sides = [4 * ((side + 1) // 4) for side in size]
    for i, (y, width) in enumerate(zip(maps, model.feature_info.channels(), strict=True)):
        assert y.shape == (2, width, *(math.ceil(side / 2 ** (i + 2)) for side in sides))
        assert y.isfinite().all()


@every_rival
def test_gradient_checkpointing_changes_nothing(name):
    models = [build(name, drop_path_rate=0.5).train() for _ in range(2)]
    models[1].set_grad_checkpointing()
    outputs = []
    for model in models:
        torch.manual_seed(1)
        outputs.append(model(images(batch=4)))
        outputs[-1].sum().backward()
    torch.testing.assert_close(*outputs, rtol=0, atol=0)
    torch.testing.assert_close(*map(gradients, models), rtol=0, atol=0)


@every_rival
@pytest.mark.parametrize('change', [dict(drop_path_rate=0.9), dict(drop_rate=0.5)], ids=str)
def test_arguments_that_change_training_alone(name, change):
    before, after = build(name), build(name, **change)
    x = images(batch=4)
    torch.testing.assert_close(before(x), after(x))
    assert not torch.allclose(before.train()(x), after.train()(x), rtol=1e-2)


@every_rival
def test_pruning_keeps_the_maps(name):
    model = build(name)
    with torch.no_grad():
        expected = model.forward_intermediates(images(), [0, 2], intermediates_only=True)
        assert model.prune_intermediate_layers([0, 2], prune_norm=True) == [0, 2]
        maps = model.forward_intermediates(images(), [0, 2], intermediates_only=True)
        torch.testing.assert_close(maps, expected)
        assert model(images()).shape[-1] == model.num_features == expected[-1].shape[1]


@every_rival
def test_layer_decay_follows_the_depth(name):
    model = build(name)
    groups = param_groups_layer_decay(model, layer_decay=0.5)
    scale = {id(p): group['lr_scale'] for group in groups for p in group['params']}
    scales = {n: scale[id(p)] for n, p in model.named_parameters()}
    assert {n for n, s in scales.items() if s == 1} <= {
        n for n in scales if n.startswith(('norm.', 'head.'))
    }
    stages = [{s for n, s in scales.items() if n.startswith(f'layers.{i}.')} for i in range(4)]
    for earlier, later in zip(stages, stages[1:], strict=False):
        assert max(earlier) < min(later)
