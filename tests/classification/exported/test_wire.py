"""exported/wire.py: fields of messages, as the protobuf package writes them."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from classification.exported.wire import fields


def test_fields():
    tensor = helper.make_tensor('x', TensorProto.FLOAT, [300, 1], np.ones(300))
    tensor.doc_string = 'ä' * 200
    found = [(number, value) for number, value in fields(memoryview(tensor.SerializeToString()))]
    assert [number for number, _ in found] == [1, 1, 2, 4, 8, 12]  # two dims
    values = dict(found)
    assert values[2] == TensorProto.FLOAT
    assert bytes(values[12]).decode() == 'ä' * 200
    assert np.frombuffer(values[4], np.float32).tolist() == [1] * 300
    assert [value for number, value in found if number == 1] == [300, 1]


@pytest.mark.parametrize(
    'message, reason',
    [
        (b'\x0a\x05ab', 'ends beyond'),
        (b'\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01', 'ends beyond'),
        (b'\x09\x01', 'ends beyond'),
        (b'\x80', 'does not end'),
        (b'\x08' + b'\xff' * 11, 'does not end'),
        (b'\x0b\x0c', 'no wire type 3'),
        (b'\x0f', 'no wire type 7'),
    ],
)
def test_what_is_no_message(message, reason):
    with pytest.raises(ValueError, match=reason):
        list(fields(memoryview(message)))


def test_bits_beyond_32_do_not_hide_a_field():
    """Parsers drop them: 13 is read as 13 by all."""
    tag = (13 << 3 | 2) | 1 << 33
    encoded = bytes([tag >> shift & 127 | 128 for shift in (0, 7, 14, 21)] + [tag >> 28 & 127])
    assert [number for number, _ in fields(memoryview(encoded + b'\x00'))] == [13]
