"""RAVLT against its official code."""

import pytest

from classification.rivals.ravlt import RAVLT_ARCHS
from tests import rival_cases

PARAMETERS = {'tiny': 14.898, 'small': 25.591, 'base': 48.241, 'large': 95.242}  # millions
NANO = dict(
    embed_dims=(16, 32, 32, 64),
    depths=(1, 2, 2, 1),
    num_heads=(1, 2, 2, 4),
    mlp_ratio=2,
    projection=48,
)


@pytest.fixture(scope='module')
def oracle():
    return rival_cases.oracle('ravlt')


def test_equals_the_official_one(oracle):
    rival_cases.assert_equals_official('ravlt_tiny', NANO, oracle['classification'])


@pytest.mark.parametrize('case', range(2))
def test_maps_equal_the_official_ones(oracle, case, tmp_path):
    dense = oracle['dense']
    norms = list(dense['state_dict_extra'].values())
    rival_cases.assert_maps_equal_official(
        'ravlt_tiny', NANO, oracle['classification'], dense['cases'][case], tmp_path, norms
    )


@pytest.mark.parametrize('arch', RAVLT_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'ravlt_{arch}', PARAMETERS[arch], arch != 'large')
