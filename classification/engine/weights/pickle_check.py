"""What the pickle of a checkpoint asks for, looked through before anything in it is built.

torch's loader calls no function that is not on its list, but a few bytes can ask those that are for
gigabytes (`bytearray(8000000000)`), for an endless task (a set of a tensor's billion elements) or,
by tuples that are nested a million times, for more stack than there is. No checkpoint does any of
that; this follows a pickle's instructions without their effects and refuses those that do.
"""

import pickletools
import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Any

import torch

# Containers in containers, and all that one holds, each counted as often as it is held.
MAX_DEPTH, MAX_SIZE = 200, 1_000_000
# The streams of a file as torch wrote it before 1.6: magic number, version, system, content, keys.
_OLDER_STREAMS = 5

# What is called with what stands in the file itself: not with what another call gave.
_CONTAINERS = {'collections.OrderedDict', 'collections.Counter', 'builtins.set', 'torch.Size'}
_CALLED = {
    '_codecs.encode',  # bytes
    'builtins.complex',
    'torch.device',
    'torch.nn.parameter.Parameter',
    'torch.serialization._get_layout',
    'torch._utils._rebuild_parameter',
    'torch._utils._rebuild_parameter_with_state',
    'torch._utils._rebuild_tensor',
    'torch._utils._rebuild_tensor_v2',
    'torch._utils._rebuild_tensor_v3',
    # Tensors that loading refuses by their names.
    'torch._utils._rebuild_sparse_tensor',
    'torch._utils._rebuild_qtensor',
    'torch._utils._rebuild_meta_tensor_no_storage',
    'torch._utils._rebuild_nested_tensor',
}
# Kinds of numbers and of memory, which stand beside a tensor and are not called.
_NAMED = re.compile(
    r'torch\.(\w+Storage|storage\.(Untyped|Typed)Storage|'
    r'(b?float|q?u?int|complex|bits)\d+\w*|bool|per_(tensor|channel)\w+)'
)
_IGNORED = {'PROTO', 'FRAME'}
_LEAVES = {
    *('NONE', 'NEWTRUE', 'NEWFALSE', 'BININT', 'BININT1', 'BININT2', 'BINFLOAT', 'LONG1'),
    'SHORT_BINSTRING',
}
_EMPTY = {'EMPTY_DICT', 'EMPTY_LIST', 'EMPTY_SET'}
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_ADDED = {'APPEND': 1, 'SETITEM': 2, 'BUILD': 1}


class UnsafePickle(ValueError):
    """What a pickle holds that no checkpoint does, as words for a sentence: 'os.system'."""


@dataclass(eq=False)
class _Item:
    """What an instruction leaves on the stack: a name, text, a call's result, or something else.

    Attributes:
        kind: 'name', 'text', 'call', 'tuple' or 'other'.
        value: the name, or the text.
        items: of a tuple.
        depth, size: see MAX_DEPTH and MAX_SIZE.
    """

    kind: str = 'other'
    value: str = ''
    items: Sequence['_Item'] = ()
    depth: int = 0
    size: int = 0

    def holds(self, items: Iterable['_Item']) -> None:
        """Count what is put into it."""
        for item in items:
            self.depth = max(self.depth, item.depth + 1)
            self.size += item.size
        if self.depth > MAX_DEPTH or self.size > MAX_SIZE:
            raise UnsafePickle('containers nested beyond all measure')


def check_pickles(file: IO[bytes], is_older: bool = False) -> None:
    """Look through the pickle, or those of an older file of torch, from where the file stands.

    Raises:
        UnsafePickle: it holds what no checkpoint does.
        ValueError, IndexError, KeyError: it is no pickle, or not one that torch reads.
    """
    called = _CALLED | _CONTAINERS | _added_by_users()
    for _ in range(_OLDER_STREAMS if is_older else 1):
        _check_pickle(file, called)


def _added_by_users() -> set[str]:
    """Names on torch's list beside its own, which this project and others have added."""
    added = torch.serialization.get_safe_globals()
    return {
        entry[1] if isinstance(entry, tuple) else f'{entry.__module__}.{entry.__qualname__}'
        for entry in added
    }


def _check_pickle(file: IO[bytes], called: set[str]) -> None:
    stack: list[_Item] = []
    marked: list[list[_Item]] = []
    memo: dict[int, _Item] = {}

    def since_mark() -> list[_Item]:
        nonlocal stack
        items, stack = stack, marked.pop()
        return items

    operations: Iterable[tuple[Any, Any, Any]] = pickletools.genops(file)
    for operation, argument, _ in operations:
        name = operation.name
        if name in _LEAVES:
            stack.append(_Item())
        elif name in _EMPTY:
            stack.append(_Item(size=1))
        elif name == 'EMPTY_TUPLE':
            stack.append(_Item('tuple', size=1))
        elif name == 'BINUNICODE':
            stack.append(_Item('text', argument))
        elif name == 'GLOBAL':
            stack.append(_Item('name', _name(argument, called)))
        elif name == 'MARK':
            marked.append(stack)
            stack = []
        elif name in ('BINPUT', 'LONG_BINPUT'):
            memo[argument] = stack[-1]
        elif name in ('BINGET', 'LONG_BINGET'):
            stack.append(memo[argument])
        elif name == 'TUPLE' or name in _TUPLES:
            items = since_mark() if name == 'TUPLE' else _pop(stack, _TUPLES[name])
            stack.append(_Item('tuple', items=items, size=1))
            stack[-1].holds(items)
        elif name in ('APPENDS', 'SETITEMS'):
            items = since_mark()
            stack[-1].holds(items)
        elif name in _ADDED:
            items = _pop(stack, _ADDED[name])
            if name == 'BUILD' and items[0].kind == 'call':
                raise UnsafePickle(f'the result of a call as the state of {_said(stack[-1])}')
            stack[-1].holds(items)
        elif name in ('REDUCE', 'NEWOBJ'):
            function, arguments = _pop(stack, 2)
            _check_call(function, arguments, called)
            stack.append(_Item('call', function.value))
        elif name == 'BINPERSID':
            stack[-1] = _Item('call', 'a storage')
        elif name == 'STOP':
            return
        elif name not in _IGNORED:
            raise ValueError(f'torch does not read {name}.')


def _pop(stack: list[_Item], count: int) -> list[_Item]:
    if len(stack) < count:
        raise IndexError('more is taken from the stack than there is.')
    items = stack[-count:]
    del stack[-count:]
    return items


def _name(argument: str, called: set[str]) -> str:
    """The name that GLOBAL gives, as Python 3 knows it.

    Raises:
        UnsafePickle: no checkpoint has it.
    """
    module, _, name = argument.partition(' ')
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    full = f'{module}.{name}'
    if full not in called and not _NAMED.fullmatch(full):
        raise UnsafePickle(full)
    return full


def _check_call(function: _Item, arguments: _Item, called: set[str]) -> None:
    """Raise UnsafePickle for a call that no checkpoint makes."""
    literal = all(item.kind != 'call' for item in arguments.items)
    right = arguments.kind == 'tuple'
    if function.value == '_codecs.encode':
        right = len(arguments.items) == 2 and arguments.items[1].value == 'latin1'
    elif function.value in _CONTAINERS:
        right = right and literal
    if function.kind != 'name' or function.value not in called or not right:
        raise UnsafePickle(f'a call of {_said(function)}')


def _said(item: _Item) -> str:
    return item.value or f'a {item.kind}'
