"""CSWin against its official code."""

import pytest

from classification.rivals.cswin import CSWIN_ARCHS
from tests import rival_cases

PARAMETERS = {'tiny': 22.321, 'small': 34.643, 'base': 77.382}  # millions
NANO = dict(
    embed_dim=8, depths=(1, 2, 2, 1), num_heads=(2, 4, 8, 16), splits=(1, 2, 3, 0), mlp_ratio=2
)


@pytest.fixture(scope='module')
def oracle():
    return rival_cases.oracle('cswin')


def test_equals_the_official_one(oracle):
    rival_cases.assert_equals_official('cswin_tiny', NANO, oracle['classification'])


@pytest.mark.parametrize('case', range(3))
def test_maps_equal_the_official_ones(oracle, case, tmp_path):
    dense = oracle['dense']
    norms = list(dense['state_dict_extra'].values())
    rival_cases.assert_maps_equal_official(
        'cswin_tiny', NANO, oracle['classification'], dense['cases'][case], tmp_path, norms
    )


@pytest.mark.parametrize('arch', CSWIN_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'cswin_{arch}', PARAMETERS[arch], arch != 'base')
