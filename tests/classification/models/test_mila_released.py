"""The released MILA files: their rotary tables are dropped, and written as they were."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from classification.models import MILA
from classification.models.mila_released import ROTARY_BUFFER, with_rotary_buffers

DATA = Path(__file__).parents[2] / 'data'


def nano():
    torch.manual_seed(0)
    return MILA(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4), num_classes=5)


def test_rotary_buffers_of_released_files_are_dropped_wherever_the_model_sits():
    buffers = {'0.layers.2.blocks.1.attn.rope.rotations': torch.zeros(4, 4, 16, 2)}
    for model in (nano(), copy.deepcopy(nano()), pickle.loads(pickle.dumps(nano()))):
        whole = nn.Sequential(model)
        whole.load_state_dict({**whole.state_dict(), **buffers})
    assert len(buffers) == 1  # the caller's dict is its own


def test_written_tables_are_the_released_ones():
    oracle = torch.load(DATA / 'mila_nano.pth', weights_only=True)['classification']
    config = dict(oracle['config'])
    size, file = config.pop('img_size'), oracle['checkpoint']['model']
    model = MILA(**config)
    model.load_state_dict(file)
    written = with_rotary_buffers(model, size)
    tables = {name for name in written if name.endswith(ROTARY_BUFFER)}
    assert written.keys() == file.keys() and len(tables) == sum(config['depths'])
    for name in tables:
        expected = file[name]
        expected = torch.view_as_real(expected) if expected.is_complex() else expected
        torch.testing.assert_close(written[name], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize('size', [100, 33])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f'takes multiples of 32, not {size}'):
        nano().released_state_dict(size)
