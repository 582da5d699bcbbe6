"""Importing this widens torch's allow-list, by what checkpoints hold besides tensors, for good.

The list is the process's own, since MMEngine's Runner and timm's `checkpoint_path` call torch.load
themselves. Every entry is a function or class of this file, or a container of Python's: the names
of numpy and MMEngine in a file stand for these, so that a file never calls numpy's constructors,
which take pointers from it, nor changes what MMEngine shares within the process.
"""

from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from .pickle_check import UnsafePickle

# Letters of numpy's plain kinds: bool, signed and unsigned integers, floats, text.
_PLAIN_KINDS = 'biufU'


class DataType:
    """numpy.dtype in a file: a plain kind, its size and its byte order."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        dtype = np.dtype(code) if isinstance(code, str) and code[:1] in _PLAIN_KINDS else None
        if dtype is None or dtype.kind not in _PLAIN_KINDS:
            raise UnsafePickle(f'numpy.dtype({code!r})')
        self.dtype = dtype

    def __setstate__(self, state: tuple) -> None:
        """Byte order, and of texts the length; a file says more of kinds that are not plain."""
        _, order, subtype, names, fields, size = state[:6]
        if order not in ('<', '>', '|', '=') or (subtype, names, fields) != (None, None, None):
            raise UnsafePickle('numpy.dtype with fields')
        if size not in (-1, self.dtype.itemsize):
            raise UnsafePickle(f'numpy.dtype of {size} bytes')
        self.dtype = self.dtype.newbyteorder(order)


class Array:
    """A numpy array in a file; `read_checkpoint` puts `value` in its place, numpy takes it as one.

    Attributes:
        value: the array.
    """

    value = np.empty(0)

    def __setstate__(self, state: tuple) -> None:
        """From (version, shape, DataType, in Fortran's order, bytes)."""
        _, shape, kind, is_fortran, data = state
        if not isinstance(kind, DataType) or not isinstance(data, bytes):
            raise UnsafePickle('numpy.ndarray of objects')
        flat = np.frombuffer(data, kind.dtype)
        array = flat.reshape(shape, order='F' if is_fortran else 'C')
        if array.shape != shape:  # reshape counts for itself where a number is negative
            raise UnsafePickle(f'numpy.ndarray of the shape {shape}')
        self.value = array.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype)

    def __reduce__(self) -> Any:
        return self.value.__reduce__()  # a file written anew holds the array


class SavedHistory(HistoryBuffer):
    """MMEngine's log history in a file. Its methods, by which a file would change the class, stay.

    Once its content is read the object is a HistoryBuffer.
    """

    def __init__(self) -> None:
        raise UnsafePickle('HistoryBuffer called as a function')

    def __setstate__(self, state: dict[str, Any]) -> None:
        values, counts = (plain(state[name]) for name in ('_log_history', '_count_history'))
        length = state['max_length']
        arrays = isinstance(values, np.ndarray) and isinstance(counts, np.ndarray)
        if not arrays or values.shape != counts.shape or type(length) is not int:
            raise UnsafePickle('HistoryBuffer without two arrays of one length')
        self._set_default_statistics()
        self._log_history, self._count_history, self.max_length = values, counts, length
        self.__class__ = HistoryBuffer


def _reconstruct(owner: type, shape: tuple, code: bytes) -> Array:
    """numpy's function for an empty array, which BUILD then fills."""
    if owner is not Array:
        raise UnsafePickle('a subclass of numpy.ndarray')
    return Array()


def _scalar(kind: DataType, data: bytes) -> np.generic:
    """numpy's function for a number."""
    if not isinstance(kind, DataType) or not isinstance(data, bytes):
        raise UnsafePickle('a numpy scalar of an object')
    (value,) = np.frombuffer(data, kind.dtype)
    return value


def _bytes() -> bytes:
    """The empty ones, which are pickled as a call; others are text."""
    return b''


def _history_method(owner: type, name: str) -> None:
    """The one `getattr` of a checkpoint: MMEngine's log history is saved with its methods."""
    if owner is not SavedHistory or name not in ('min', 'max', 'current', 'mean'):
        raise UnsafePickle('getattr')


def plain(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """What was read, with numpy's arrays for every Array in dicts, lists and tuples.

    Args:
        value: what torch.load gave; its dicts and lists are changed in place.
        seen: what became of the containers that were met before, by id.

    Raises:
        RecursionError: nested too deeply.
    """
    if type(value) is Array:
        return value.value
    if type(value) is DataType:
        return value.dtype
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, dict):
        seen[id(value)] = value
        for key, item in value.items():
            value[key] = plain(item, seen)
    elif type(value) is list:
        seen[id(value)] = value
        value[:] = [plain(item, seen) for item in value]
    elif type(value) is tuple:
        changed = tuple(plain(item, seen) for item in value)
        seen[id(value)] = changed
        return changed
    return value


# A name in a file -> what is built for it, so that a yacs config becomes a dictionary whether yacs
# is installed or not.
_BY_NAME: dict[str, Callable] = {
    'mmengine.logging.history_buffer.HistoryBuffer': SavedHistory,
    'builtins.getattr': _history_method,
    'builtins.bytes': _bytes,
    'numpy.dtype': DataType,
    'numpy.ndarray': Array,
    **{
        f'numpy.{core}.multiarray.{name}': function
        for core in ('core', '_core')
        for name, function in (('_reconstruct', _reconstruct), ('scalar', _scalar))
    },
    'yacs.config.CfgNode': OrderedDict,
    'addict.addict.Dict': OrderedDict,
    'mmengine.config.config.ConfigDict': OrderedDict,
}
SAFE_GLOBALS: list[Any] = [Namespace, *((thing, name) for name, thing in _BY_NAME.items())]


def allow_safe_globals() -> None:
    """Put SAFE_GLOBALS on torch's list; timm's loader takes argparse.Namespace off it again."""
    torch.serialization.add_safe_globals(SAFE_GLOBALS)


allow_safe_globals()
