"""PlainMamba against its official code, and its snakes."""

import pytest
import torch

from classification.rivals.plainmamba import PLAINMAMBA_ARCHS, snakes
from tests import rival_cases
from tests.helpers import relative_error

PARAMETERS = {'l1': 7.552, 'l2': 26.146, 'l3': 50.956}  # millions, with a head of 1000 classes
NANO = dict(embed_dim=16, depth=3, img_size=(48, 80))


@pytest.fixture(scope='module')
def oracle():
    return rival_cases.oracle('plainmamba')


def test_equals_the_official_one(oracle):
    rival_cases.assert_equals_official('plainmamba_l1', NANO, oracle['classification'])


@pytest.mark.parametrize('case', range(3))
def test_maps_equal_the_official_ones(oracle, case):
    """Whose norms are layer norms with an eps of 1e-6, that of the last layer the classifier's."""
    source, case = oracle['classification'], oracle['dense']['cases'][case]
    model = rival_cases.classifier('plainmamba_l1', NANO, source).double()
    norms = [torch.nn.LayerNorm(16, eps=1e-6) for _ in range(2)]
    for i, norm in enumerate(norms):
        weights = oracle['dense']['state_dict_extra']
        norm.load_state_dict({n: weights[f'norm_layer{i}.{n}'] for n in ('weight', 'bias')})
        norm.double()
    x = case['input'].double().requires_grad_()
    maps = model.forward_intermediates(x, intermediates_only=True)
    ys = [
        norm(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        for norm, y in zip([*norms, model.ln1], maps, strict=True)
    ]
    torch.autograd.backward(ys, [g.double() for g in case['grad_outputs']])
    for y, expected in zip(ys, case['outputs'], strict=True):
        assert y.shape == expected.shape and relative_error(y, expected) <= 1e-5
    assert relative_error(x.grad, case['grad_input']) <= 1e-5


@pytest.mark.parametrize('arch', PLAINMAMBA_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'plainmamba_{arch}', PARAMETERS[arch])


def test_snakes_are_the_official_ones(oracle):
    official = oracle['scan_3x4']
    orders, inverse, moves = (t.tolist() for t in snakes(3, 4))
    assert orders == official['orders'] and inverse == official['inverse']
    assert moves == official['directions']


@pytest.mark.parametrize('size', [(1, 1), (1, 4), (3, 1), (2, 5), (4, 4)], ids=str)
def test_moves_lead_along_the_snakes(size):
    """From the token before to the token: nowhere, right, left, up, down."""
    steps = torch.tensor([(0, 0), (0, 1), (0, -1), (-1, 0), (1, 0)])
    for order, _, moves in zip(*map(torch.tensor, snakes(*size)), strict=True):
        places = torch.stack((order // size[1], order % size[1]), dim=1)
        assert sorted(order.tolist()) == list(range(size[0] * size[1])) and moves[0] == 0
        assert torch.equal(places.diff(dim=0), steps[moves[1:]])
