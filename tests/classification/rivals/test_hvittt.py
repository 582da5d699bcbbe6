"""H-ViT3 against its official code, and its inner training against autograd."""

import pytest
import torch
import torch.nn.functional as F

from classification.rivals.hvittt import HVITTT_ARCHS, SCALE, train_depthwise, train_gated
from tests import rival_cases

PARAMETERS = {'tiny': 28.704, 'small': 54.362, 'base': 94.369}  # millions
NANO = dict(embed_dims=(32, 32, 32, 64), depths=(1, 1, 2, 1), mlp_ratio=1.5)


@pytest.fixture(scope='module')
def oracle():
    return rival_cases.oracle('hvittt')


def test_equals_the_official_one(oracle):
    rival_cases.assert_equals_official('hvittt_tiny', NANO, oracle['classification'])


@pytest.mark.parametrize('case', range(2))
def test_maps_equal_the_official_ones(oracle, case, tmp_path):
    dense = oracle['dense']
    norms = list(dense['state_dict_extra'].values())
    rival_cases.assert_maps_equal_official(
        'hvittt_tiny', NANO, oracle['classification'], dense['cases'][case], tmp_path, norms
    )


@pytest.mark.parametrize('arch', HVITTT_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'hvittt_{arch}', PARAMETERS[arch], arch != 'base')


def random(*sizes):
    torch.manual_seed(0)
    return [torch.randn(size, dtype=torch.float64) for size in sizes]


def test_gated_step_is_a_gradient_step():
    k, v, w1, w2 = random((2, 3, 7, 4), (2, 3, 7, 4), (1, 3, 4, 4), (1, 3, 4, 4))
    trained = train_gated(k, v, w1, w2)
    for sample in range(2):
        ws = [w[0].clone().requires_grad_() for w in (w1, w2)]
        loss = -SCALE / 7 * ((k[sample] @ ws[0]) * F.silu(k[sample] @ ws[1]) * v[sample]).sum()
        for w, g, found in zip(ws, torch.autograd.grad(loss, ws), trained, strict=True):
            expected = w - g / (g.norm(dim=-2, keepdim=True) + 1)
            torch.testing.assert_close(found[sample], expected)


def test_depthwise_step_is_a_gradient_step():
    k, v, w = random((2, 5, 6, 4), (2, 5, 6, 4), (4, 1, 3, 3))
    trained = train_depthwise(k, v, w)
    for sample in range(2):
        own = w.clone().requires_grad_()
        y = F.conv2d(k[sample].permute(2, 0, 1), own, padding=1, groups=4)
        loss = -SCALE / 30 * (y * v[sample].permute(2, 0, 1)).sum()
        (g,) = torch.autograd.grad(loss, own)
        expected = w - g / (g.norm(dim=(2, 3), keepdim=True) + 1)
        torch.testing.assert_close(trained[sample], expected.flatten(1).T)
