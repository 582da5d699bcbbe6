"""An ONNX file, judged by its bytes before a runtime sees them.

A model may name other files for its tensors, which would be read from wherever it says, and
operators that are no part of ONNX, which are code from elsewhere: both are refused. The numbers of
fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..engine.errors import CheckpointError
from .wire import fields

# Bytes: a message of Protocol Buffers is never larger.
_LARGEST = 2**31 - 1
_DEEPEST = 100  # messages in messages, as parsers allow
_STANDARD = ('', 'ai.onnx')  # domains of operators

# What each kind of message holds that is looked at: number of a field -> kind of the message in it.
_MODEL = {7: 'graph', 25: 'function'}
_INSIDE = {
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'function': {7: 'node', 11: 'attribute'},
    'node': {5: 'attribute'},
    'attribute': {
        5: 'tensor',
        6: 'graph',
        10: 'tensor',
        11: 'graph',
        22: 'sparse',
        23: 'sparse',
    },
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {},
}
_METADATA, _KEY, _VALUE = 14, 1, 2
_DOMAIN_OF_NODE = 7
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


@dataclass(frozen=True)
class OnnxFile:
    """A file that holds all of its tensors, and standard operators alone.

    Attributes:
        path: where it was read.
        content: its bytes.
        metadata: key -> value of its metadata_props.
    """

    path: Path
    content: bytes
    metadata: dict[str, str]


def read_onnx(path: str | os.PathLike) -> OnnxFile:
    """A file, read whole.

    Raises:
        CheckpointError: it is missing, too large, no ONNX file, names other files or operators
            that are no part of ONNX, or says one thing twice.
    """
    path = Path(path)
    content = _read(path)
    metadata: dict[str, str] = {}
    try:
        for number, value in fields(memoryview(content)):
            if number == _METADATA:
                key, text = _entry(value)
                if key in metadata:
                    raise CheckpointError(f'{path} says {key} twice: export it anew.')
                metadata[key] = text
            elif number in _MODEL:
                _check(path, value, _MODEL[number])
    except ValueError as error:
        raise CheckpointError(f'{path} is no ONNX file ({error}): export it anew.') from None
    return OnnxFile(path, content, metadata)


def _read(path: Path) -> bytes:
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):  # a pipe would be waited for
            raise CheckpointError(f'{path} is no file: give one that was exported.')
        if state.st_size > _LARGEST:
            raise CheckpointError(
                f'{path} is larger than {_LARGEST >> 20} MB, which no ONNX file in one piece is: '
                'give one that was exported.'
            )
        with path.open('rb') as file:
            return file.read(_LARGEST)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, 'strerror', None) or error
        raise CheckpointError(f'{path} cannot be read ({reason}): check the path.') from None


def _entry(message: int | memoryview) -> tuple[str, str]:
    """(key, value) of a StringStringEntryProto."""
    parts = dict(fields(_message(message)))
    key, value = (
        bytes(_message(parts.get(number, memoryview(b'')))).decode() for number in (_KEY, _VALUE)
    )
    return key, value


def _check(path: Path, message: int | memoryview, kind: str) -> None:
    """Refuse what a message and those in it name outside of the file."""
    stack: list[tuple[Iterator[tuple[int, int | memoryview]], str]] = []
    stack.append((fields(_message(message)), kind))
    while stack:
        inside, kind = stack[-1]
        for number, value in inside:
            elsewhere = number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)
            if kind == 'tensor' and elsewhere:
                raise CheckpointError(
                    f'{path} keeps tensors in other files, which are not read: export it in one.'
                )
            if kind == 'node' and number == _DOMAIN_OF_NODE:
                domain = bytes(_message(value)).decode()
                if domain not in _STANDARD:
                    raise CheckpointError(
                        f'{path} needs operators of {domain[:100]}, which are no part of ONNX: '
                        'export it with standard operators alone.'
                    )
            if number in _INSIDE[kind]:
                if len(stack) > _DEEPEST:
                    raise ValueError('its graphs are nested too deeply')
                stack.append((fields(_message(value)), _INSIDE[kind][number]))
                break
        else:
            stack.pop()


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError('a number stands where a message is due')
    return value
