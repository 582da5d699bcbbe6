"""NAT and DiNAT against their official code."""

import pytest

from classification.rivals.nat import NAT_ARCHS
from tests import rival_cases

PARAMETERS = {'mini': 19.984, 'tiny': 27.902, 'small': 50.743, 'base': 89.770}  # millions
NANO = dict(embed_dim=8, depths=(2, 1, 2, 1), num_heads=(2, 2, 4, 4), mlp_ratio=2, kernel_size=3)
ARCHS = {
    'nat': NANO,
    'dinat': dict(**NANO, dilations=((1, 3), (2,), (1, 2), (1,)), layer_scale=0.5),
}


@pytest.fixture(scope='module')
def oracle():
    return rival_cases.oracle('nat')


@pytest.mark.parametrize('family', ARCHS)
def test_equals_the_official_one(oracle, family):
    case = oracle[family]['classification']
    rival_cases.assert_equals_official(f'{family}_tiny', ARCHS[family], case)


@pytest.mark.parametrize('family', ARCHS)
@pytest.mark.parametrize('case', range(2))
def test_maps_equal_the_official_ones(oracle, case, family, tmp_path):
    classifier, dense = oracle[family]['classification'], oracle[family]['dense']
    norms = list(dense['state_dict_extra'].values())
    rival_cases.assert_maps_equal_official(
        f'{family}_tiny', ARCHS[family], classifier, dense['cases'][case], tmp_path, norms
    )


@pytest.mark.parametrize('arch', NAT_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'nat_{arch}', PARAMETERS[arch], arch != 'base')
