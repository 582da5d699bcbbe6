"""Protocol Buffers, read field by field.

Only what a message says of itself is needed to judge a file before anything runs it, so neither
the onnx package nor generated code is: https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator

_VARINT, _64_BITS, _BYTES, _32_BITS = 0, 1, 2, 5
_LENGTHS = {_64_BITS: 8, _32_BITS: 4}


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a message, in order: an int, or the bytes, not copied.

    Raises:
        ValueError: it is no message.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = (tag & 0xFFFFFFFF) >> 3, tag & 7  # parsers take 32 bits of a tag
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in _LENGTHS:
            length = _LENGTHS[kind]
        else:
            raise ValueError(f'there is no wire type {kind}')
        if length > len(message) - at:
            raise ValueError('a field ends beyond its message')
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """(number, position after it): groups of 7 bits, the lowest first; an eighth says more follow.

    At most 10 bytes, as 64 bits need.
    """
    value = 0
    for i, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value, at + i + 1
    raise ValueError('a number does not end')
