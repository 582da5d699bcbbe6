"""engine/weights/pickle_check.py: pickles that ask for too much are refused at sight."""

import io
import pickle
import zipfile
from collections import Counter, OrderedDict

import pytest
import torch

from classification.engine.errors import CheckpointError
from classification.engine.weights.formats import read_checkpoint
from classification.engine.weights.pickle_check import UnsafePickle, check_pickles


def with_pickle(path, content):
    """A checkpoint of torch with another pickle inside."""
    torch.save({}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in entries.items():
            archive.writestr(name, content if name.endswith('data.pkl') else data)
    return path


def call(name, arguments):
    """The instructions that call a function: 'module name', instructions for its arguments."""
    module, name = name.rsplit('.', 1)
    return f'c{module}\n{name}\n('.encode() + arguments + b'tR'


EIGHT_BILLION = b'\x8a\x05\x00\x50\xd6\xdc\x01'
# A tensor of two billion elements in four bytes of memory: each is the first one.
HUGE = call(
    'torch._utils._rebuild_tensor_v2',
    call('torch.storage.UntypedStorage', b'K\x04') + b'K\x00J\x00\x94\x35\x77\x85K\x00\x85\x89'
    b'ccollections\nOrderedDict\n)R',
)
GREEDY = {
    'bytearray': call('builtins.bytearray', EIGHT_BILLION),
    'bytearray in Python 2': call('__builtin__.bytearray', EIGHT_BILLION),
    'memory': call('torch.storage.UntypedStorage', EIGHT_BILLION),
    'tensor': call('torch.FloatTensor', EIGHT_BILLION),
    'set of a tensor': call('builtins.set', HUGE),
    'dict of a tensor': call('collections.OrderedDict', HUGE),
    'arguments from a tensor': b'ccollections\nOrderedDict\n' + HUGE + b'R',
    'state from a tensor': call('collections.OrderedDict', b'') + HUGE + b'b',
    'codec': call('_codecs.encode', b'X\x01\x00\x00\x00aX\x08\x00\x00\x00punycode'),
    'deep tuples as a key': b'})' + b'\x85' * 1_000_000 + b'K\x01s',
    'twice itself, 100 times, as a key': b'})' + b'q\x01h\x01\x86' * 100 + b'K\x01s',
    'system': call('os.system', b'X\x01\x00\x00\x00:'),
    'result of a call, called': call('builtins.set', b'') + b')R',
}


@pytest.mark.parametrize('content', GREEDY.values(), ids=GREEDY)
@pytest.mark.parametrize('is_older', [False, True], ids=['zip', 'older'])
def test_what_no_checkpoint_holds(tmp_path, content, is_older):
    content = b'\x80\x02' + content + b'.'
    path = tmp_path / 'file.pth'
    if is_older:
        path.write_bytes(content)
    else:
        with_pickle(path, content)
    with pytest.raises(CheckpointError, match='file.pth holds .*, which is not plain data: refuse'):
        read_checkpoint(path)


@pytest.mark.parametrize(
    'value',
    [
        {'a': [1, 2.5, None, True, (3,), 'text', 10**20]},
        OrderedDict(a=1),
        Counter('aab'),
        {1, 2},
        torch.Size([2, 3]),
        3 + 4j,
        b'bytes',
        b'',
        torch.zeros(2, dtype=torch.bfloat16),
        torch.nn.Parameter(torch.zeros(2)),
        torch.float8_e4m3fn,
        torch.device('cpu'),
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], 0.1).state_dict(),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize('is_older', [False, True], ids=['zip', 'older'])
def test_what_checkpoints_hold(save, value, is_older):
    path = save({'value': value}, _use_new_zipfile_serialization=not is_older)
    read = read_checkpoint(path)['value']
    assert torch.equal(read, value) if isinstance(value, torch.Tensor) else read == value


class OwnClass:
    pass


def test_names_on_torchs_list_are_let_through():
    content = pickle.dumps(OwnClass(), protocol=2)
    with pytest.raises(UnsafePickle, match='test_pickle_check.OwnClass'):
        check_pickles(io.BytesIO(content))
    with torch.serialization.safe_globals([OwnClass]):
        check_pickles(io.BytesIO(content))


@pytest.mark.parametrize('content', [b'', b'\x80\x02', b'K\x01', b'a.', b'\x80\x02}q\x01h\x02.'])
def test_what_is_no_pickle(content):
    with pytest.raises((ValueError, IndexError, KeyError)):
        check_pickles(io.BytesIO(content))
