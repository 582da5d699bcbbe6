"""Hostile pickles: what they name, call, build and fill, by every way that reads a checkpoint.

The ways are this project's own reader, for zip files and older ones, and torch.load as timm's
`checkpoint_path` and mmengine's `load_checkpoint` call it. What torch itself lets a file ask for
(gigabytes, tuples nested a million times) is refused by the own reader alone, so that those
pickles are not tried by the other two ways.

Whatever is raised, code has run if the canary is there, and the process is another one if what
MMEngine, numpy, torch or the environment share has changed.
"""

import io
import os
import pickle
import pickletools
import random
import sys

import numpy as np
import timm
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint

from classification.engine.errors import CheckpointError
from classification.engine.weights.formats import read_weights
from classification.engine.weights.loading import load_weights
from tests.checkpoints import NANO, STATE, nano
from tests.robustness._checkpoint_bases import OLDER, ZIP, unzipped, zipped

TITLE = 'hostile pickles'
MODEL = nano(0)
WAYS = ('zip', 'older', 'timm', 'mmengine')

RUNNERS = (
    *('os.system', 'posix.system', 'os.popen', 'os.remove', 'os.execvp', 'subprocess.Popen'),
    *('subprocess.call', 'builtins.eval', 'builtins.exec', 'builtins.open', 'builtins.getattr'),
    *('builtins.setattr', 'builtins.__import__', 'builtins.compile', 'builtins.type'),
    *('builtins.map', 'builtins.print', 'builtins.object', 'importlib.import_module'),
    *('runpy.run_path', 'pickle.loads', 'marshal.loads', 'types.CodeType', 'types.FunctionType'),
    *('functools.partial', 'functools.reduce', 'operator.methodcaller', 'operator.attrgetter'),
    *('shutil.rmtree', 'pathlib.Path', 'socket.socket', 'webbrowser.open', 'pty.spawn'),
    *('code.interact', 'timeit.timeit', 'cProfile.run', 'pydoc.pipepager', 'logging.config.listen'),
    *('ctypes.CDLL', 'ctypes.memset', 'ctypes.string_at', '_ctypes.PyObj_FromPtr'),
    *('torch.load', 'torch.save', 'torch.hub.load', 'torch.jit.load', 'torch.ops.load_library'),
    *('torch.utils.cpp_extension.load_inline', 'torch.serialization.add_safe_globals'),
    *('torch._utils._rebuild_from_type_v2', 'torch._tensor._rebuild_from_type_v2'),
    *(
        'torch.nn.modules.module.Module',
        'torch.from_file',
        'torch.frombuffer',
        'torch.set_printoptions',
    ),
    *('numpy.load', 'numpy.fromfile', 'numpy.memmap', 'numpy.frombuffer', 'numpy.vectorize'),
    *('numpy.lib.stride_tricks.as_strided', 'numpy.ctypeslib.as_array', 'numpy.f2py.compile'),
    *(
        'numpy.testing._private.utils.runstring',
        'numpy.random.seed',
        'numpy.seterr',
        'numpy.rec.array',
    ),
    *('mmengine.config.Config.fromfile', 'mmengine.config.config.Config', 'mmengine.fileio.load'),
    *('mmengine.registry.root.MODELS', 'mmengine.logging.history_buffer.HistoryBuffer.update'),
    *('yaml.unsafe_load', 'joblib.load', 'PIL.Image.open', 'timm.create_model'),
    *(
        'classification.engine.configs.loading.load_config',
        'classification.engine.weights.safe_globals.plain',
    ),
)
# On the list, by this project or by torch.
LISTED = (
    *('numpy.ndarray', 'numpy.dtype', 'numpy.core.multiarray._reconstruct', 'builtins.bytes'),
    *('numpy._core.multiarray._reconstruct', 'numpy._core.multiarray.scalar', 'argparse.Namespace'),
    *('numpy.core.multiarray.scalar', 'mmengine.logging.history_buffer.HistoryBuffer'),
    *('yacs.config.CfgNode', 'addict.addict.Dict', 'mmengine.config.config.ConfigDict'),
    *('collections.OrderedDict', 'torch.nn.parameter.Parameter', 'torch.Size', 'torch.device'),
    *('_codecs.encode', 'builtins.complex', 'torch.serialization._get_layout'),
    *('torch._utils._rebuild_tensor', 'torch._utils._rebuild_tensor_v2'),
    *('torch._utils._rebuild_parameter', 'torch._utils._rebuild_parameter_with_state'),
)
# What torch's own list lets a file have as much of as it asks for.
GREEDY = (
    *('builtins.bytearray', 'builtins.set', 'collections.Counter', 'torch.Tensor'),
    *('torch.FloatTensor', 'torch.storage.UntypedStorage', 'torch.storage.TypedStorage'),
    *('torch.sparse.FloatTensor', 'torch._utils._rebuild_qtensor'),
    *('torch._utils._rebuild_sparse_tensor', 'torch._utils._rebuild_wrapper_subclass'),
    *('torch._utils._rebuild_meta_tensor_no_storage', 'torch._utils._rebuild_nested_tensor'),
    'torch._utils._rebuild_device_tensor_from_numpy',
)
KINDS = ('O', 'f8', 'U1', 'V8', 'S4', 'M8[s]', 'i4,O', '|O', 'f8' * 50, 'U99999999', '', 'x', 'u1')
NUMBERS = (0, 1, -1, 2, 8, 255, 2**31, 8 * 10**9, 2**62, -(2**63))
STATES = (
    {'_log_history': 1, '_count_history': 2, 'max_length': 3},
    {'statistics_methods': {'mean': 'x', 'own': None}, '_statistics_methods': {'mean': 1}},
    {'__class__': 'x', '__dict__': {}, '__setstate__': 1, '__reduce__': 'os.system'},
    (1, (1,), 'f8', False, 'AAAAAAAA'),
    (3, '<', None, None, None, -1, -1, 63),
    (3, '|', ('O', (2,)), ('a',), {'a': ('O', 0)}, 2**31, 1, 63),
    (None, {'data': 1, 'grad': 2, 'shape': (2**40,)}),
)


# Instructions


def literal(value):
    """The instructions that leave a plain value on the stack."""
    content = pickletools.optimize(pickle.dumps(value, protocol=2))
    return content[2:-1]


def named(name):
    module, name = name.rsplit('.', 1)
    return f'c{module}\n{name}\n'.encode()


def together(parts):
    return b'(' + b''.join(parts) + b't'


def called(function, arguments, by=b'R'):
    return function + together(arguments) + by


def data_type(rng):
    made = called(named('numpy.dtype'), [literal(rng.choice(KINDS)), literal(False), literal(True)])
    return made + (literal(rng.choice(STATES)) + b'b' if rng.random() < 0.5 else b'')


def some_bytes(rng):
    text = rng.choice(('', 'A' * 8, 'A' * 64, '\xff' * 16))
    coding = rng.choice(('latin1', 'latin1', 'latin1', 'rot13', 'idna', 'zlib', 'os'))
    return called(named('_codecs.encode'), [literal(text), literal(coding)])


def argument(rng, command, names):
    """Instructions for one argument."""
    kind = rng.randrange(9)
    if kind == 0:
        return literal(rng.choice((command, f'open({command.split()[-1]!r}, "w")', '/etc/passwd')))
    if kind == 1:
        return literal(rng.choice(NUMBERS))
    if kind == 2:
        return named(rng.choice(names))
    if kind == 3:
        return data_type(rng)
    if kind == 4:
        return some_bytes(rng)
    if kind == 5:
        return literal(tuple(rng.choice(NUMBERS) for _ in range(rng.randrange(3))))
    if kind == 6:
        return literal(rng.choice((None, True, [], {}, [command], {'shell': True}, 'mean', 'f8')))
    if kind == 7:
        return called(named(rng.choice(names)), [literal(rng.choice(NUMBERS))])
    return called(named('collections.OrderedDict'), [])


def array(rng):
    """numpy's own way of making an array, with something wrong in it."""
    module = rng.choice(('numpy.core.multiarray', 'numpy._core.multiarray'))
    shape = literal(tuple(rng.choice(NUMBERS) for _ in range(rng.choice((1, 1, 2)))))
    empty = called(
        named(f'{module}._reconstruct'),
        [
            named(rng.choice(('numpy.ndarray', 'numpy.matrix', 'os.system'))),
            literal((0,)),
            some_bytes(rng),
        ],
    )
    state = [literal(1), shape, data_type(rng), literal(rng.random() < 0.5), some_bytes(rng)]
    direct = called(named('numpy.ndarray'), [shape, data_type(rng), some_bytes(rng)])
    return rng.choice((empty + together(state) + b'b', direct))


def history(rng):
    """MMEngine's log history, which a file may try to change for the whole process."""
    method = called(
        named('builtins.getattr'),
        [
            named('mmengine.logging.history_buffer.HistoryBuffer'),
            literal(rng.choice(('min', 'mean', 'update', '__init__', '_statistics_methods'))),
        ],
    )
    methods = b'}' + literal(rng.choice(('mean', 'max', 'own'))) + method + b's'
    state = b'}' + literal('statistics_methods') + methods + b's'
    for name in ('_log_history', '_count_history', 'max_length'):
        state += literal(name) + rng.choice((array(rng), literal(1), literal([1.0]))) + b's'
    made = (
        named('mmengine.logging.history_buffer.HistoryBuffer') + b')' + rng.choice((b'\x81', b'R'))
    )
    return made + state + b'b'


def chain(rng, command, names):
    """A call, whose result is called, filled, or made a key."""
    function = named(rng.choice(names))
    arguments = [argument(rng, command, names) for _ in range(rng.randrange(5))]
    made = called(function, arguments, by=rng.choice((b'R', b'R', b'\x81')))
    ending = rng.randrange(6)
    if ending == 0:
        return made + literal(rng.choice(STATES)) + b'b'
    if ending == 1:
        return made + argument(rng, command, names) + b'b'
    if ending == 2:
        return made + together([argument(rng, command, names)]) + b'R'
    if ending == 3:
        return b'}' + made + literal(1) + b's'
    if ending == 4:
        return called(named('torch._utils._rebuild_parameter'), [made, literal(True), made])
    return made


def deep(rng):
    """More tuples in tuples than a stack has room for, or than there is time for."""
    if rng.random() < 0.5:
        return (
            b'})' + rng.choice((b'\x85', b'q\x07h\x07\x86')) * rng.choice((90, 10**6)) + b'K\x01s'
        )
    return b')' + b'\x85' * rng.choice((300, 10**6))


MAKERS = {
    'runners': lambda rng, command: chain(rng, command, RUNNERS),
    'listed': lambda rng, command: chain(rng, command, LISTED),
    'both': lambda rng, command: chain(rng, command, RUNNERS + LISTED),
    'arrays': lambda rng, command: array(rng),
    'histories': lambda rng, command: history(rng),
    'greedy': lambda rng, command: chain(rng, command, GREEDY + LISTED),
    'deep': lambda rng, command: deep(rng),
}
OF_TORCH = ('greedy', 'deep')


def cases(count, seed):
    """Names such as 'arrays by timm 12': every maker by every way that it is tried by, in turn."""
    kinds = [
        f'{maker} by {way}'
        for maker in MAKERS
        for way in WAYS
        if maker not in OF_TORCH or way in ('zip', 'older')
    ]
    return [f'{kinds[i % len(kinds)]} {i // len(kinds)}' for i in range(count)]


def with_hostile(content, hostile):
    """A pickle of a dict, with the hostile object put into it first, under 'x'."""
    assert content.startswith(b'\x80\x02}')
    return content[:3] + literal('x') + hostile + b's' + content[3:]


def write(path, hostile, is_older):
    """A checkpoint with a hostile object beside its weights."""
    if is_older:
        stream = io.BytesIO(OLDER)
        for _ in range(3):  # magic number, version, system
            for _ in pickletools.genops(stream):
                pass
        start = stream.tell()
        path.write_bytes(OLDER[:start] + with_hostile(OLDER[start:], hostile))
    else:
        path.write_bytes(
            zipped(
                (name, with_hostile(data, hostile) if name.endswith('data.pkl') else data)
                for name, data in unzipped(ZIP).items()
            )
        )


def shared():
    """What a file could change for the whole process."""
    return (
        dict(HistoryBuffer._statistics_methods),
        dict(os.environ),
        list(sys.path),
        np.geterr(),
        np.dtype('f8').__reduce__(),
        np.dtype('U').__reduce__(),
        torch.get_default_dtype(),
    )


def load(way, path):
    """The weights as they arrive in a model by one of the ways."""
    if way in ('zip', 'older'):
        load_weights(MODEL, read_weights(path))
        return MODEL.state_dict()
    try:
        if way == 'timm':
            model = timm.create_model('mila_tiny', checkpoint_path=str(path), **NANO)
            return model.state_dict()
        return load_checkpoint(MODEL, str(path), strict=True)['model']
    except MemoryError:
        raise
    except Exception as error:
        raise CheckpointError(f'{path} is refused by torch ({type(error).__name__}).') from error


def run(name, seed, folder):
    """Make the file, load it, judge what came of it: see the interface in guard.py."""
    maker, way = name.rsplit(' ', 1)[0].split(' by ')
    rng = random.Random(f'{seed} {name}')
    canary, path = folder / 'canary', folder / 'file.pth'
    hostile = MAKERS[maker](rng, f'touch {canary}')
    write(
        path, hostile, is_older=way == 'older' or way in ('timm', 'mmengine') and rng.random() < 0.3
    )
    before = shared()
    error = None
    try:
        loaded = load(way, path)
    except CheckpointError as failure:
        error = failure
    if set(os.listdir(folder)) != {'file.pth'} or shared() != before:
        return 'silent'
    if error is not None:
        raise error
    same = all(torch.equal(loaded[name], value) for name, value in STATE.items())
    return 'right' if same else 'silent'
