"""SG-Former against its official code."""

import pytest
import torch

from classification.rivals.sgformer import SGFORMER_ARCHS
from tests import rival_cases
from tests.helpers import relative_error

PARAMETERS = {'small': 22.546, 'medium': 38.689, 'base': 77.950}  # millions
NANO = dict(embed_dims=(8, 16, 16, 32), depths=(2, 2, 2, 1), num_heads=(2, 4, 4, 4), mlp_ratio=2)


def test_equals_the_official_one():
    """In float64 alone: rounding changes the order of tokens of almost equal significance."""
    case = rival_cases.oracle('sgformer')['classification']
    model = rival_cases.classifier('sgformer_small', NANO, case).double()
    x = case['input'].double().requires_grad_()
    logits = model(x)
    logits.backward(case['grad_output'].double())
    assert relative_error(logits, case['logits_float64']) <= 1e-9
    assert relative_error(x.grad, case['grad_input']) <= 1e-5


def test_other_images_are_padded_and_their_maps_cut(tmp_path):
    source = rival_cases.oracle('sgformer')['classification']
    model = rival_cases.backbone('sgformer_small', NANO, source, tmp_path, norm=False)
    padded = torch.zeros(1, 3, 224, 448)
    padded[..., :150, :230] = source['input'][..., :150, :].repeat(1, 1, 1, 2)[..., :230]
    with torch.no_grad():
        maps, expected = model(padded[..., :150, :230]), model(padded)
    for i, (y, whole) in enumerate(zip(maps, expected, strict=True)):
        height, width = -(-150 // 2 ** (i + 2)), -(-230 // 2 ** (i + 2))
        assert whole.shape[2:] == (224 // 2 ** (i + 2), 448 // 2 ** (i + 2))
        assert torch.equal(y, whole[:, :, :height, :width])


@pytest.mark.parametrize('arch', SGFORMER_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'sgformer_{arch}', PARAMETERS[arch], arch != 'base')
