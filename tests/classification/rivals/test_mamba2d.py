"""Mamba2D against its official code."""

import pytest

from classification.rivals.mamba2d import MAMBA2D_ARCHS
from tests import rival_cases

PARAMETERS = {'nano': 7.178, 'tiny': 26.523, 'small': 50.274}  # millions
NANO = dict(embed_dims=(8, 16, 32, 64), depths=(2, 1, 2, 1))


@pytest.fixture(scope='module')
def oracle():
    return rival_cases.oracle('mamba2d')


def test_equals_the_official_one(oracle):
    rival_cases.assert_equals_official('mamba2d_tiny', NANO, oracle['classification'])


@pytest.mark.parametrize('case', range(2))
def test_maps_equal_the_official_ones(oracle, case, tmp_path):
    rival_cases.assert_maps_equal_official(
        'mamba2d_tiny', NANO, oracle['classification'], oracle['dense']['cases'][case], tmp_path
    )


@pytest.mark.parametrize('arch', MAMBA2D_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'mamba2d_{arch}', PARAMETERS[arch])
