"""EfficientVMamba against its official code, and its scans."""

import pytest
import torch

from classification.rivals.efficientvmamba import EFFICIENTVMAMBA_ARCHS, AtrousScans2d
from tests import rival_cases

PARAMETERS = {'tiny': 6.494, 'small': 11.274, 'base': 33.717}  # millions
NANO = dict(embed_dim=8, depths=(1, 2, 2, 1))


@pytest.fixture(scope='module')
def oracle():
    return rival_cases.oracle('efficientvmamba')


def test_equals_the_official_one(oracle):
    rival_cases.assert_equals_official('efficientvmamba_tiny', NANO, oracle['classification'])


@pytest.mark.parametrize('case', range(2))
def test_maps_equal_the_official_ones(oracle, case, tmp_path):
    dense = oracle['dense']
    rival_cases.assert_maps_equal_official(
        'efficientvmamba_tiny',
        NANO,
        oracle['classification'],
        dense['cases'][case],
        tmp_path,
        list(dense['state_dict_extra'].values()),
    )


@pytest.mark.parametrize('arch', EFFICIENTVMAMBA_ARCHS)
def test_sizes_are_the_official_ones(arch):
    rival_cases.assert_is_the_released_one(f'efficientvmamba_{arch}', PARAMETERS[arch])


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (5, 4), (7, 7)], ids=str)
def test_every_token_is_in_one_scan(size):
    op, x = AtrousScans2d(8), torch.randn(2, *size, 3)
    assert torch.equal(op.merge(op.split(x), *size), x)


def test_orders_of_a_small_map():
    x = torch.arange(15).view(1, 3, 5, 1) + 1
    assert AtrousScans2d(8).split(x)[0, :, :, 0].tolist() == [
        [1, 3, 5, 11, 13, 15],
        [6, 0, 8, 0, 10, 0],
        [2, 4, 0, 12, 14, 0],
        [7, 0, 9, 0, 0, 0],
    ]
