"""PlainMamba's adapter against its official code."""

import json

import pytest
import torch

from classification.rivals.plainmamba_adapter import PLAINMAMBA_ADAPTER_ARCHS, PlainMambaAdapter
from tests import rival_cases
from tests.helpers import gradients, images, relative_error

PARAMETERS = {'l1': 9.796, 'l2': 31.590, 'l3': 58.104}  # millions
NANO = dict(
    img_size=(48, 80),
    embed_dim=16,
    depth=3,
    heads=4,
    points=2,
    deform_ratio=0.5,
    ffn_ratio=0.5,
    prior_dim=8,
    interactions=3,
)


def official():
    case = rival_cases.oracle('plainmamba_adapter')['dense']
    model = PlainMambaAdapter(**NANO).eval()
    model.load_state_dict(case['state_dict'])
    return model, case['cases']


@pytest.mark.parametrize('case', range(2))
def test_maps_equal_the_official_ones(case):
    model, cases = official()
    model, case = model.double(), cases[case]
    x = case['input'].double().requires_grad_()
    maps = model.maps(x)
    torch.autograd.backward(maps, [g.double() for g in case['grad_outputs']])
    for y, expected in zip(maps, case['outputs'], strict=True):
        assert y.shape == expected.shape and relative_error(y, expected) <= 1e-5
    assert relative_error(x.grad, case['grad_input']) <= 1e-5


@pytest.mark.parametrize('arch', PLAINMAMBA_ADAPTER_ARCHS)
def test_sizes_are_the_official_ones(arch):
    with rival_cases.Shapes():
        model = PlainMambaAdapter(**PLAINMAMBA_ADAPTER_ARCHS[arch])
    count = sum(p.numel() for p in model.parameters()) / 1e6
    assert count == pytest.approx(PARAMETERS[arch], abs=6e-4)
    if arch == 'l1':
        file = rival_cases.DATA / 'state_dict_plainmamba_adapter_l1.json'
        own = {name: list(value.shape) for name, value in model.state_dict().items()}
        assert own == json.loads(file.read_text())


def test_sides_are_multiples_of_32():
    with pytest.raises(ValueError, match=r'multiples of 32, got \(64, 80\): pad the images'):
        PlainMambaAdapter(**NANO).maps(images(64, 80))


def test_adapter_starts_as_none_of_the_image_and_is_trained():
    """gamma = 0: what the prior says reaches the layers from the first step on."""
    model = PlainMambaAdapter(**NANO, drop_path_rate=0.1).train()
    assert all(not i.injector.gamma.any() for i in model.interactions)
    sum(y.square().sum() for y in model.maps(images(64, 64))).backward()
    grads = gradients(model)
    assert all(g is not None and g.isfinite().all() for g in grads.values())
    assert grads['interactions.0.injector.gamma'].any()
