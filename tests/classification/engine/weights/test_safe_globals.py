"""engine/weights/safe_globals.py: what a file may hold besides weights."""

import argparse
import pickle
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint

from classification.engine.errors import CheckpointError
from classification.engine.weights.formats import read_checkpoint
from tests.checkpoints import STATE, assert_loads, assert_refused


@pytest.mark.parametrize(
    'extra',
    [
        argparse.Namespace(lr=1e-3, tags=['a']),
        ConfigDict(model=dict(depths=[1, 2])),
        HistoryBuffer([1.0, 2.0], [1, 1]),
        np.float64(0.5),
        np.int64(3),
        np.bool_(True),
        np.array([[1, 2]]),
        np.array(['a', 'bc']),
        np.array([]),
        np.asfortranarray([[1, 2], [3, 4]]),
        np.array([1, 2], '>i4'),
        np.str_('ab'),
        HistoryBuffer(),
        {'seed': (0, np.arange(3, dtype=np.uint8))},
    ],
    ids=lambda extra: type(extra).__name__,
)
def test_inert_objects_are_read(save, extra):
    path = save({'model': STATE, 'extra': extra})
    assert plain(read_checkpoint(path)['extra']) == plain(extra)
    assert_loads(path)


def plain(value):
    if isinstance(value, HistoryBuffer):
        value = value.data
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def test_timms_loader_leaves_the_allow_list_whole(save):
    path = save({'model': STATE, 'args': argparse.Namespace(lr=1e-3)})
    timm.models.load_state_dict(str(path))  # takes Namespace off torch's list afterwards
    assert read_checkpoint(path)['args'] == argparse.Namespace(lr=1e-3)


@pytest.mark.parametrize('way', ['torch', 'mmengine'])
def test_torchs_own_loads_give_what_numpy_and_mmengine_take(save, way):
    path = save({'state_dict': STATE, 'a': np.arange(3.0), 'h': HistoryBuffer([1.0, 3.0], [1, 1])})
    if way == 'torch':
        read = torch.load(path, weights_only=True)
    else:
        read = load_checkpoint(torch.nn.Identity(), str(path), strict=False)
    assert np.mean(read['a']) == 1
    assert type(read['h']) is HistoryBuffer and read['h'].mean() == 2
    again = torch.load(save(read), weights_only=True)
    assert np.mean(again['a']) == 1 and again['h'].mean() == 2


def test_arrays_are_read_wherever_they_lie(save):
    array = np.arange(3)
    nested = {'list': [array, (array,)], 'again': array}
    nested['list'].append(nested['list'])  # and no loop of references is followed for ever
    read = read_checkpoint(save(nested))
    assert read['list'][0] is read['again'] and read['list'][1][0].tolist() == [0, 1, 2]
    assert read['list'][2] is read['list'] and type(read['again']) is np.ndarray


# numpy.ndarray((1,), dtype('O'), 8 bytes), which numpy takes for a pointer to a Python object.
POINTER = (
    b'\x80\x02cnumpy\nndarray\n(K\x01\x85cnumpy\ndtype\n(X\x01\0\0\0OtR'
    b'c_codecs\nencode\n(X\x08\0\0\0AAAAAAAAX\x06\0\0\0latin1tRtR.'
)


def test_bytes_never_become_pointers(tmp_path):
    (tmp_path / 'x.pth').write_bytes(POINTER)
    code = 'import torch, classification; torch.load("x.pth", weights_only=True)'
    process = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True
    )
    assert process.returncode == 1 and "numpy.dtype('O')" in process.stderr
    with pytest.raises(CheckpointError, match='x.pth is truncated, damaged'):
        read_checkpoint(tmp_path / 'x.pth')


class Reduced:
    """Is pickled as a call, and what fills its result."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


DOUBLE = np.dtype('f8')
RECONSTRUCT = np.zeros(0).__reduce__()[0]


@pytest.mark.parametrize(
    'value',
    [
        np.array([None, 1], dtype=object),
        np.array([(1, 2.0)], dtype='i4,f8'),
        np.array(['2026-01-01'], dtype='M8[D]'),
        np.array([b'raw'], dtype='V3'),
        np.array([1 + 2j]),
        Reduced(np.dtype, (['f8', 'O'],)),
        Reduced(np.dtype, ('f8',), (3, '<', None, None, None, 2**31, -1, 63)),
        Reduced(np.dtype, ('f8',), (3, '<', ('O', (2,)), None, None, -1, -1, 63)),
        Reduced(np.dtype, ('U1',), (3, '<', None, None, None, -4, 4, 8)),
        Reduced(RECONSTRUCT, (np.ndarray, (0,), b'b'), (1, (10**9,), DOUBLE, False, b'12345678')),
        Reduced(RECONSTRUCT, (np.ndarray, (0,), b'b'), (1, (-2,), DOUBLE, False, b'12345678')),
        Reduced(RECONSTRUCT, (np.ndarray, (0,), b'b'), (1, (1,), DOUBLE, False, [None])),
        Reduced(RECONSTRUCT, (HistoryBuffer, (0,), b'b')),
        Reduced(np.ndarray, ((4,),)),
        Reduced(HistoryBuffer, ([1.0], [1])),
    ],
)
def test_other_uses_of_numpy_are_refused(save, value):
    path = save({'model': STATE, 'value': value})
    assert_refused(path, 'file.pth')
    with pytest.raises((ValueError, TypeError, pickle.UnpicklingError)):
        torch.load(path, weights_only=True)


def test_a_file_never_changes_the_class(save):
    """MMEngine saves the methods with each history, and puts those of a file into its class."""
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    mean = HistoryBuffer._statistics_methods['mean']
    HistoryBuffer._statistics_methods['mean'] = HistoryBuffer.min
    try:
        path = save({'model': STATE, 'history': history})
    finally:
        HistoryBuffer._statistics_methods['mean'] = mean
    for read in (read_checkpoint(path), torch.load(path, weights_only=True)):
        assert read['history'].statistics('mean') == 1.5
    assert HistoryBuffer._statistics_methods['mean'] is mean
