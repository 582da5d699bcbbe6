"""Mutated checkpoint files, read and loaded into a small MILA as every tool does.

Older files of torch and safetensors carry no checksum, and a crafted record of a tensor is content
like any other: where such a change gives the right names, shapes and kinds and other finite numbers
nobody can notice it without the file's sha256. These cases are counted as 'unknowable'.
"""

import bz2
import gzip
import io
import pickle
import random
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import torch

from classification.engine.errors import CheckpointError
from classification.engine.weights.formats import read_checkpoint, read_weights
from classification.engine.weights.loading import load_weights
from classification.engine.weights.resumable import check_resumable
from tests.checkpoints import FIRST, OTHER, STATE, nano, prefixed
from tests.robustness._checkpoint_bases import (
    OLDER,
    SAFETENSORS,
    ZIP,
    safetensors_file,
    safetensors_parts,
    spans,
    torch_file,
    unzipped,
    zipped,
)

TITLE = 'checkpoint files'
MODEL = nano(0)
SPANS = spans()
NAMES = list(STATE)
FLOATS = [name for name, value in STATE.items() if value.is_floating_point()]
ODD_NUMBERS = (
    -(2**63),
    -(2**31),
    -1,
    0,
    1,
    2,
    3,
    7,
    2**16,
    2**31 - 1,
    2**31,
    2**40,
    2**62,
    2**63 - 1,
)
ODD_VALUES = (None, [], {}, (), '', 'x', -1, 1.5, True, 2**70, float('nan'), [[]], {'x': 1}, b'')


# Damage to a file's bytes: (random numbers, bytes) -> bytes


def truncate(rng, content):
    return content[: rng.randrange(len(content))]


def flip(rng, content, start=0, end=None):
    place, changed = rng.randrange(start, end or len(content)), bytearray(content)
    changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_in(part):
    return lambda rng, content: flip(rng, content, *rng.choice(SPANS[part]))


def zero_block(rng, content):
    start, length = rng.randrange(len(content)), rng.choice((1, 16, 512, 4096))
    zeros = bytes(len(content[start : start + length]))
    return content[:start] + zeros + content[start + length :]


def cut_out(rng, content):
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.choice((1, 2, 64, 4096)) :]


def insert(rng, content):
    start = rng.randrange(len(content))
    return content[:start] + rng.randbytes(rng.choice((1, 8, 1000))) + content[start:]


def overwrite(rng, content):
    start, noise = rng.randrange(len(content)), rng.randbytes(rng.choice((1, 4, 64)))
    return content[:start] + noise + content[start + len(noise) :]


def repeat_tail(rng, content):
    return content + content[rng.randrange(len(content)) :]


DAMAGE = (truncate, flip, zero_block, cut_out, insert, overwrite, repeat_tail)


# Tensors, names and sizes: random numbers -> what is saved


def with_tensor(change, names=FLOATS):
    def content(rng):
        name = rng.choice(names)
        return {**STATE, name: change(STATE[name])}

    return content


def not_finite(rng):
    name = rng.choice(FLOATS)
    value = STATE[name].double()
    values = (float('nan'), float('inf'), -float('inf'), 1e300)
    value.view(-1)[rng.randrange(value.numel())] = rng.choice(values)
    return {**STATE, name: value}


def of_another_shape(rng):
    name = rng.choice(NAMES)
    changes = (
        lambda value: value[None],
        lambda value: value.flatten()[:-1],
        lambda value: torch.cat([value.flatten()] * 2),
        lambda value: torch.zeros(1, dtype=value.dtype).expand(10**9),
        lambda value: torch.zeros(*[1] * 60, dtype=value.dtype),
    )
    return {**STATE, name: rng.choice(changes)(STATE[name])}


def colliding(rng):
    wrapper = rng.choice(('module.', '_orig_mod.', 'module._orig_mod.'))
    return {**STATE, **{wrapper + name: STATE[name] for name in rng.sample(NAMES, 3)}}


def of_odd_names(rng):
    odd = rng.choice(
        ('a\nb', '\x1b[31mred\x1b[0m', 'x' * 1_000_000, '', ' ', '\u202e', '\0', '../x')
    )
    if rng.random() < 0.5:
        return {**STATE, odd: torch.zeros(2)}
    return {(odd if name == FIRST else name): value for name, value in STATE.items()}


def lacking(rng):
    left_out = set(rng.sample(NAMES, rng.choice((1, 2, len(NAMES) - 1))))
    return {name: value for name, value in STATE.items() if name not in left_out}


def of_odd_entries(rng):
    key = rng.choice((0, None, ('a',), 1.5, b'x', 'x'))
    return {**STATE, key: rng.choice((None, 1, 'text', [STATE[FIRST]], {}, 2.5))}


# Records of tensors that no tensor has


class Record:
    def __init__(self, value, offset, size, stride):
        storage = torch.storage.TypedStorage(
            wrap_storage=value.untyped_storage(), dtype=value.dtype, _internal=True
        )
        self.arguments = storage, offset, size, stride, False, {}

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, self.arguments


def odd_record(rng):
    name = rng.choice(FLOATS)
    value = STATE[name].clone()
    numbers = [list(value.shape), list(value.stride()), [0]]
    for _ in range(rng.choice((1, 1, 2, 3))):
        part = rng.choice([part for part in numbers if part])
        part[rng.randrange(len(part))] = rng.choice(ODD_NUMBERS)
    size, stride, (offset,) = numbers
    return {**STATE, name: Record(value, offset, tuple(size), tuple(stride))}


# Headers of safetensors


def odd_header(rng):
    header, data = safetensors_parts()
    entry = header[rng.choice(FLOATS)]
    begin, end = entry['data_offsets']
    change = rng.randrange(8)
    if change == 0:
        entry['dtype'] = rng.choice(('I32', 'U8', 'F16', 'F64', 'BOOL', 'X', '', None, 7))
    elif change == 1:
        entry['shape'] = [rng.choice(ODD_NUMBERS) for _ in entry['shape']]
    elif change == 2:
        entry['data_offsets'] = [begin + rng.choice(ODD_NUMBERS), end]
    elif change == 3:
        entry['data_offsets'] = [begin, end + rng.choice(ODD_NUMBERS)]
    elif change == 4:
        del entry[rng.choice(list(entry))]
    elif change == 5:
        entry[rng.choice(list(entry))] = rng.choice(ODD_VALUES[:9])
    elif change == 6:
        return safetensors_file(header, data, rng.choice((0, 1, 8, 2**31, 2**40, 2**63, 2**64 - 1)))
    else:
        depth = rng.choice((10, 1000, 100_000))
        return safetensors_file(b'{"a":' * depth + b'1' + b'}' * depth, data)
    return safetensors_file(header, data)


# Tricks with zip files


def zip_trick(rng):
    entries = list(unzipped().items())
    name, data = entries[rng.randrange(len(entries))]
    rest = [entry for entry in entries if entry[0] != name]
    tricks = (
        lambda: rest,
        lambda: [*rest, (name, data + b'x')],
        lambda: [*rest, (name, data[:-1])],
        lambda: [*rest, (name, b'')],
        lambda: [*rest, (f'../{name}', data)],
        lambda: [*rest, (f'/{name}', data)],
        lambda: [*rest, (name.upper(), data)],
        lambda: [*entries, (name, data[::-1])],
        lambda: [*entries, (name.upper(), data[::-1])],
        lambda: [(f'other/{name}', data), *entries],
        lambda: [*rest, (name, entries[rng.randrange(len(entries))][1])],
    )
    return zipped(rng.choice(tricks)())


def bomb(rng):
    megabytes = rng.choice((1, 20, 100))
    content = torch_file({'weight': torch.zeros(megabytes, 1024, 256)})
    return zipped(unzipped(content).items(), zipfile.ZIP_DEFLATED)


def bomb_of_a_pickle(rng):
    filler = b'N0' * rng.choice((10**6, 10**7))
    entries = unzipped()
    return zipped(
        (
            (n, b'\x80\x02' + filler + b'}.' if n.endswith('.pkl') else d)
            for n, d in entries.items()
        ),
        zipfile.ZIP_DEFLATED,
    )


# Other formats


def _tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as archive:
        info = tarfile.TarInfo('storages')
        info.size = 4
        archive.addfile(info, io.BytesIO(b'abcd'))
    return buffer.getvalue()


def _numpy():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.arange(3))
    return buffer.getvalue()


FOREIGN = (
    *(b'', b'\0', b' ', b'PK', b'PK\x03\x04', b'PK\x05\x06' + bytes(18), b'\x80', b'\x80\x02.'),
    *(b'<html>', b'<?xml version="1.0"?>', b'{"a": 1}', b'\x89PNG\r\n\x1a\n' + bytes(64)),
    *(gzip.compress(ZIP), bz2.compress(ZIP), _tar(), _numpy(), zipped([('a.txt', b'text')])),
    b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
    b'\x93NUMPY\x01\0' + bytes(120),
    *(pickle.dumps(value, 2) for value in (None, 1, [], {}, 'text', {'model': [1.0]})),
    *(torch_file(value) for value in (None, 1, [], {}, torch.zeros(3), {'model': {}}, {'a': 1})),
)


def foreign(rng):
    content = rng.choice(FOREIGN)
    return content + rng.randbytes(rng.choice((0, 0, 0, 1, 100)))


# Broken states of training


def odd_training(rng):
    content = dict(
        meta=dict(epoch=1, iter=4),
        state_dict=dict(STATE),
        optimizer=dict(state={}, param_groups=[dict(params=[0])]),
        message_hub=dict(log_scalars={}, runtime_info={}, resumed_keys={}),
    )
    part, *names = rng.choice(
        (
            *(('meta',), ('meta', 'epoch'), ('meta', 'iter'), ('state_dict',), ('optimizer',)),
            *(('optimizer', 'param_groups'), ('optimizer', 'state'), ('message_hub',)),
            *(('message_hub', name) for name in ('log_scalars', 'runtime_info', 'resumed_keys')),
        )
    )
    holder, name = (content[part], names[0]) if names else (content, part)
    if rng.random() < 0.2:
        del holder[name]
    else:
        wrong = [value for value in ODD_VALUES if not isinstance(value, type(holder[name]))]
        holder[name] = rng.choice([*wrong, -1, True] if name in ('epoch', 'iter') else wrong)
    return content


# Right files


def right(rng):
    prefix = rng.choice(('', 'module.', '_orig_mod.', 'module._orig_mod.', 'backbone.'))
    state, other = prefixed(prefix), prefixed(prefix, OTHER)
    name = rng.choice(list(state))
    change = rng.choice(
        (
            lambda value: value,
            torch.nn.Parameter if state[name].is_floating_point() else torch.clone,
            lambda value: value.double() if value.is_floating_point() else value.int(),
            lambda value: (
                value.transpose(0, -1).contiguous().transpose(0, -1) if value.ndim else value
            ),
            lambda value: torch.stack([value, value])[1],
        )
    )
    state[name] = change(state[name])
    noise = rng.choice(({}, dict(epoch=1), dict(meta={'x': np.arange(3)}), dict(args={1, 2})))
    where = rng.choice(('', 'model', 'state_dict', 'state_dict_ema', 'model_ema', 'mmengine'))
    if not where:
        return state
    if where == 'mmengine':
        return dict(state_dict=state, ema_state_dict=prefixed('module.', other), **noise)
    rival = dict(model=other) if 'ema' in where else {}
    return {**rival, where: state, **noise}


def _of_bytes(change, content):
    return lambda rng: change(rng, content)


def _torch_bytes(make):
    return lambda rng: torch_file(make(rng), _use_new_zipfile_serialization=rng.random() < 0.7)


# Name -> (what makes the bytes, suffix, what may come of it): 'right' must load as it was,
# 'refused' must be refused, 'either' may do both, 'unseen' may load as other finite numbers too.
CASES = {
    'right': (_torch_bytes(right), '.pth', 'right'),
    **{f'zip, {f.__name__}': (_of_bytes(f, ZIP), '.pth', 'either') for f in DAMAGE},
    **{f'zip, flip in {part}': (_of_bytes(flip_in(part), ZIP), '.pth', 'either') for part in SPANS},
    'zip, trick': (zip_trick, '.pth', 'unseen'),
    'zip, bomb': (bomb, '.pth', 'refused'),
    'zip, bomb of a pickle': (bomb_of_a_pickle, '.pth', 'refused'),
    **{f'older, {f.__name__}': (_of_bytes(f, OLDER), '.pth', 'unseen') for f in DAMAGE},
    **{
        f'safetensors, {f.__name__}': (_of_bytes(f, SAFETENSORS), '.safetensors', 'unseen')
        for f in DAMAGE
    },
    'safetensors, header': (odd_header, '.safetensors', 'unseen'),
    'record': (_torch_bytes(odd_record), '.pth', 'unseen'),
    'sparse': (_torch_bytes(with_tensor(torch.Tensor.to_sparse)), '.pth', 'refused'),
    'meta': (_torch_bytes(with_tensor(lambda value: value.to('meta'))), '.pth', 'refused'),
    'quantised': (
        _torch_bytes(
            with_tensor(lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8))
        ),
        '.pth',
        'refused',
    ),
    'complex': (_torch_bytes(with_tensor(lambda value: value + 1j)), '.pth', 'refused'),
    'integer': (_torch_bytes(with_tensor(torch.Tensor.long)), '.pth', 'refused'),
    'bool': (_torch_bytes(with_tensor(torch.Tensor.bool, NAMES)), '.pth', 'refused'),
    'not finite': (_torch_bytes(not_finite), '.pth', 'refused'),
    'shape': (_torch_bytes(of_another_shape), '.pth', 'refused'),
    'two of one name': (_torch_bytes(colliding), '.pth', 'refused'),
    'odd names': (_torch_bytes(of_odd_names), '.pth', 'refused'),
    'missing names': (_torch_bytes(lacking), '.pth', 'refused'),
    'odd entries': (_torch_bytes(of_odd_entries), '.pth', 'refused'),
    'other formats': (foreign, '.pth', 'refused'),
    'other formats, .safetensors': (foreign, '.safetensors', 'refused'),
    'training': (_torch_bytes(odd_training), '.pth', 'refused'),
}


def cases(count, seed):
    """Names such as 'zip, flip 12': all kinds in turn."""
    kinds = list(CASES)
    return [f'{kinds[i % len(kinds)]} {i // len(kinds)}' for i in range(count)]


def run(name, seed, folder):
    """Make the file, load it, judge what came of it: see the interface in guard.py."""
    make, suffix, allowed = CASES[name.rsplit(' ', 1)[0]]
    path = folder / f'file{suffix}'
    path.write_bytes(make(random.Random(f'{seed} {name}')))
    try:
        if name.startswith('training'):
            check_resumable(read_checkpoint(path), path, SimpleNamespace(max_epochs=3))
        load_weights(MODEL, read_weights(path))
    except CheckpointError as error:
        sentence = str(error)
        assert sentence.isprintable() and str(path) in sentence and len(sentence) < 4000, sentence
        if allowed == 'right':
            return 'wrongly refused'
        raise
    loaded = MODEL.state_dict()
    if allowed != 'refused' and all(torch.equal(loaded[n], value) for n, value in STATE.items()):
        return 'right'
    finite = all(value.isfinite().all() for value in loaded.values())
    return 'unknowable' if allowed == 'unseen' and finite else 'silent'
