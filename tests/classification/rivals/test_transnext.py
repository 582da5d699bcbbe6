"""TransNeXt against its official code."""

import pytest

from classification.rivals.transnext import TRANSNEXT_ARCHS
from tests import rival_cases

PARAMETERS = {'micro': 12.809, 'tiny': 28.259, 'small': 49.742, 'base': 89.721}  # millions
NANO = dict(
    embed_dims=(12, 24, 24, 48),
    depths=(1, 1, 2, 1),
    num_heads=(1, 2, 2, 4),
    mlp_ratios=(3, 3, 2, 2),
    pretrain_size=96,
)


@pytest.fixture(scope='module')
def oracle():
    return rival_cases.oracle('transnext')


def test_equals_the_official_one(oracle):
    rival_cases.assert_equals_official('transnext_tiny', NANO, oracle['classification'])


@pytest.mark.parametrize('case', range(4))
def test_maps_equal_the_official_ones(oracle, case, tmp_path):
    """With the position bias for each image, and with that of one size, interpolated."""
    case = oracle['dense']['cases'][case]
    bias_size = None if case['is_extrapolation'] else case['img_size']
    arch = dict(NANO, pretrain_size=case['pretrain_size'], bias_size=bias_size)
    rival_cases.assert_maps_equal_official(
        'transnext_tiny', arch, oracle['classification'], case, tmp_path
    )


@pytest.mark.parametrize('arch', TRANSNEXT_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'transnext_{arch}', PARAMETERS[arch], arch != 'base')
