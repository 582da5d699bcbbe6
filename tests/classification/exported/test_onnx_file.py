"""exported/onnx_file.py: what is refused before a runtime sees it."""

import os

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from classification.engine.errors import CheckpointError
from classification.exported import onnx_file
from classification.exported.onnx_file import read_onnx
from tests.exported import write_model


def external(tensor):
    """Let a tensor name a file for its data."""
    tensor.ClearField('raw_data')
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = 'location', '/etc/passwd'
    return tensor


def tensor():
    return numpy_helper.from_array(np.zeros(3, np.float32), 'held')


def branch(node):
    """A graph that gives what a node computes."""
    return helper.make_graph(
        [node], 'branch', [], [helper.make_tensor_value_info('y', TensorProto.FLOAT, None)]
    )


def in_branch(model, node):
    for _ in range(3):
        node = helper.make_node('If', ['c'], ['y'], then_branch=branch(node))
    model.graph.node.append(node)


CUSTOM = helper.make_node('Custom', ['x'], ['y'], domain='com.example')
CONSTANT = helper.make_node('Constant', [], ['y'], value=external(tensor()))


def in_initializer(model):
    external(model.graph.initializer[0])


def in_location_alone(model):
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def in_constant(model):
    model.graph.node.append(CONSTANT)


def in_constant_of_a_branch(model):
    in_branch(model, CONSTANT)


def in_sparse_initializer(model):
    sparse = helper.make_sparse_tensor(external(tensor()), tensor(), [3])
    model.graph.sparse_initializer.append(sparse)


def in_list_of_tensors(model):
    attribute = model.graph.node[0].attribute.add()
    attribute.tensors.append(external(tensor()))


def in_function(model):
    function = helper.make_function(
        'local', 'F', [], ['y'], [CONSTANT], [helper.make_opsetid('', 17)]
    )
    model.functions.append(function)


EXTERNAL = [
    in_initializer,
    in_location_alone,
    in_constant,
    in_constant_of_a_branch,
    in_sparse_initializer,
    in_list_of_tensors,
    in_function,
]


@pytest.mark.parametrize('change', EXTERNAL)
def test_tensors_in_other_files(change, tmp_path):
    path = write_model(tmp_path / 'm.onnx', 'classification', change=change)
    with pytest.raises(CheckpointError, match='m.onnx keeps tensors in other files'):
        read_onnx(path)


@pytest.mark.parametrize(
    'change',
    [
        lambda model: model.graph.node.append(CUSTOM),
        lambda model: in_branch(model, CUSTOM),
        lambda model: model.functions.append(
            helper.make_function('local', 'F', ['x'], ['y'], [CUSTOM], [])
        ),
    ],
    ids=['graph', 'branch', 'function'],
)
def test_operators_from_elsewhere(change, tmp_path):
    path = write_model(tmp_path / 'm.onnx', 'classification', change=change)
    with pytest.raises(CheckpointError, match='needs operators of com.example, which are no part'):
        read_onnx(path)


def test_standard_operators_by_their_full_domain(tmp_path):
    def change(model):
        for node in model.graph.node:
            node.domain = 'ai.onnx'

    path = write_model(tmp_path / 'm.onnx', 'classification', change=change)
    file = read_onnx(path)
    assert file.content == path.read_bytes() and file.metadata['mila.task'] == 'classification'


def test_deep_nesting(tmp_path):
    """Graphs in attributes of nodes in graphs, deeper than onnx itself would write."""
    content = b''
    # A node, a graph and an attribute in the next; in the end a node in the graph of a model.
    for tag in [b'\x0a', b'\x32', b'\x2a'] * 2000 + [b'\x0a', b'\x3a']:
        length, size = len(content), b''
        while length > 127:
            size, length = size + bytes([length & 127 | 128]), length >> 7
        content = tag + size + bytes([length]) + content
    (tmp_path / 'm.onnx').write_bytes(content)
    with pytest.raises(CheckpointError, match='nested too deeply'):
        read_onnx(tmp_path / 'm.onnx')


def test_an_entry_that_is_there_twice(tmp_path):
    def change(model):
        entry = model.metadata_props.add()
        entry.key, entry.value = 'mila.task', 'detection'

    path = write_model(tmp_path / 'm.onnx', 'classification', change=change)
    with pytest.raises(CheckpointError, match='says mila.task twice'):
        read_onnx(path)


def test_a_file_has_a_bound(tmp_path, monkeypatch):
    path = write_model(tmp_path / 'm.onnx', 'classification')
    monkeypatch.setattr(onnx_file, '_LARGEST', path.stat().st_size)
    read_onnx(path)
    monkeypatch.setattr(onnx_file, '_LARGEST', path.stat().st_size - 1)
    with pytest.raises(CheckpointError, match='is larger than'):
        read_onnx(path)


def test_what_is_no_file(tmp_path):
    with pytest.raises(CheckpointError, match='none.onnx cannot be read .No such file'):
        read_onnx(tmp_path / 'none.onnx')
    with pytest.raises(CheckpointError, match='is no file'):
        read_onnx(tmp_path)
    with pytest.raises(CheckpointError, match='cannot be read'):
        read_onnx('a\0b.onnx')


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe.onnx')
    with pytest.raises(CheckpointError, match='is no file'):
        read_onnx(tmp_path / 'pipe.onnx')


@pytest.mark.parametrize('seed', range(30))
def test_damaged_files(seed, tmp_path):
    """They are refused in a sentence, or have their metadata."""
    path = write_model(tmp_path / 'm.onnx', 'detection')
    random = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    for at in random.integers(0, len(content), 10):
        content[at] = random.integers(0, 256)
    path.write_bytes(content[: random.integers(1, len(content) + 1)])
    try:
        assert isinstance(read_onnx(path).metadata, dict)
    except CheckpointError as error:
        assert '\n' not in str(error)
