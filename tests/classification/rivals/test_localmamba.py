"""LocalVMamba and LocalVim against their official code, and their scans."""

import pytest
import torch

from classification.rivals.localmamba import (
    VIM_ARCHS,
    VMAMBA_ARCHS,
    LocalVMamba,
    sequence_length,
    to_image,
    to_sequence,
)
from tests import rival_cases

PARAMETERS = {  # millions
    'localvmamba_tiny': 25.527,
    'localvmamba_small': 49.749,
    'localvim_tiny': 7.994,
    'localvim_tiny_midcls': 7.995,
    'localvim_small': 27.784,
}
VMAMBA_ROWS = (
    'h h_flip w7 w7_flip',
    'h_flip v_flip w2 w2_flip',
    'v v_flip w2_flip w7',
    'h v w7_flip w2',
    'h v_flip w2 w7',
)
VMAMBA = dict(embed_dim=8, depths=(1, 1, 2, 1), directions=VMAMBA_ROWS)
VIM_ROWS = ('h v_flip w7 w7_flip', 'h h_flip v w2', 'v v_flip w2 w2_flip')
VIM = dict(embed_dim=16, depth=3, img_size=64, directions=VIM_ROWS)
VIMS = {
    'rope': dict(VIM, rotary=4),
    'middle_cls_token': dict(VIM, rotary=0, class_token=True),
}


@pytest.fixture(scope='module')
def vmamba():
    return rival_cases.oracle('localvmamba')


@pytest.fixture(scope='module')
def vim():
    return rival_cases.oracle('localvim')


def test_localvmamba_equals_the_official_one(vmamba):
    rival_cases.assert_equals_official('localvmamba_tiny', VMAMBA, vmamba['classification'])


@pytest.mark.parametrize('case', range(2))
def test_maps_of_localvmamba_equal_the_official_ones(vmamba, case, tmp_path):
    dense = vmamba['dense']
    rival_cases.assert_maps_equal_official(
        'localvmamba_tiny',
        dict(VMAMBA, official_columns=True),
        vmamba['classification'],
        dense['cases'][case],
        tmp_path,
        list(dense['state_dict_extra'].values()),
    )


@pytest.mark.parametrize('case', VIMS)
def test_localvim_equals_the_official_one(vim, case):
    rival_cases.assert_equals_official('localvim_tiny', VIMS[case], vim[case])


@pytest.mark.parametrize('case', range(2))
def test_maps_of_localvim_equal_the_official_ones(vim, case, tmp_path):
    dense = vim['dense']
    rival_cases.assert_maps_equal_official(
        'localvim_tiny',
        dict(VIMS['rope'], official_columns=True, out_indices=(0, 1, 2)),
        vim['rope'],
        dense['cases'][case],
        tmp_path,
        list(dense['state_dict_extra'].values()),
    )


@pytest.mark.parametrize('name', PARAMETERS)
def test_sizes_are_the_official_ones(name):
    rival_cases.assert_is_the_released_one(name, PARAMETERS[name])


def test_all_sizes_are_tested():
    names = [f'localvmamba_{a}' for a in VMAMBA_ARCHS] + [f'localvim_{a}' for a in VIM_ARCHS]
    assert list(PARAMETERS) == names


# Scans


def test_orders_of_a_small_map():
    x = torch.arange(6).view(1, 2, 3, 1) + 1
    expected = {
        'h': [1, 2, 3, 4, 5, 6],
        'h_flip': [6, 5, 4, 3, 2, 1],
        'v': [1, 4, 2, 5, 3, 6],
        'v_flip': [6, 3, 5, 2, 4, 1],
        'w2': [1, 2, 4, 5, 3, 0, 6, 0],
        'w2_flip': [0, 6, 0, 3, 5, 4, 2, 1],
    }
    assert {d: to_sequence(x, d).flatten().tolist() for d in expected} == expected


@pytest.mark.parametrize('size', [(1, 1), (3, 5), (7, 7), (9, 2)], ids=str)
@pytest.mark.parametrize('kind', ['h', 'v', 'w2', 'w7'])
def test_every_scan_has_its_inverse(kind, size):
    x = torch.randn(2, *size, 3)
    for direction in (kind, f'{kind}_flip'):
        sequence = to_sequence(x, direction)
        assert sequence.shape[1] == sequence_length(direction, *size)
        assert torch.equal(to_image(sequence, direction, *size), x)


def test_official_columns_differ_on_maps_that_are_not_square():
    x = torch.randn(1, 3, 4, 2)
    wrong = to_image(to_sequence(x, 'v'), 'v', 3, 4, official_columns=True)
    assert wrong.shape == x.shape and not torch.equal(wrong, x)
    x = torch.randn(1, 4, 4, 2)
    assert torch.equal(to_image(to_sequence(x, 'v'), 'v', 4, 4, official_columns=True), x)


def test_directions_are_for_every_block():
    with pytest.raises(ValueError, match='4 blocks need a row of directions each, not 15 rows'):
        LocalVMamba(embed_dim=8, depths=(1, 1, 1, 1))
    model = LocalVMamba(embed_dim=8, depths=(1, 1, 1, 1), directions=())
    assert model.layers[3].blocks[0].op.directions == ['h', 'h_flip', 'w2', 'w2_flip']
