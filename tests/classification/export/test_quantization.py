"""export/quantization.py: which layers compute with 8 bits, and on what they are calibrated."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from classification.engine.errors import UsageError
from classification.export.quantization import Calibration, quantize
from classification.exported.preprocessing import ResizeAndCrop
from tests.helpers import picture


@pytest.fixture
def model():
    """A convolution and a linear layer, and a product of two activations."""
    random = np.random.default_rng(0)
    weights = dict(
        kernel=random.standard_normal((4, 3, 3, 3)), matrix=random.standard_normal((4, 6))
    )
    nodes = [
        helper.make_node('Cast', ['images'], ['values'], 'cast', to=TensorProto.FLOAT),
        helper.make_node('Div', ['values', 'white'], ['shares'], 'divide'),
        helper.make_node('Transpose', ['shares'], ['x'], 'move', perm=[0, 3, 1, 2]),
        helper.make_node('Conv', ['x', 'kernel'], ['maps'], 'convolution'),
        helper.make_node('ReduceMean', ['maps', 'axes'], ['mean'], 'mean', keepdims=0),
        helper.make_node('MatMul', ['mean', 'matrix'], ['rows'], 'linear'),
        helper.make_node('Transpose', ['rows'], ['columns'], 'turn', perm=[1, 0]),
        helper.make_node('MatMul', ['rows', 'columns'], ['scores'], 'attention'),
    ]
    graph = helper.make_graph(
        nodes,
        'g',
        [helper.make_tensor_value_info('images', TensorProto.UINT8, ['B', 'H', 'W', 3])],
        [helper.make_tensor_value_info('scores', TensorProto.FLOAT, ['B', 'B'])],
        [
            *(numpy_helper.from_array(np.float32(value), name) for name, value in weights.items()),
            numpy_helper.from_array(np.float32(255), 'white'),
            numpy_helper.from_array(np.array([2, 3]), 'axes'),
        ],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10)
    helper.set_model_props(built, {'mila.task': 'classification'})
    return built


def run(model, images):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {'images': images})[0]


@pytest.mark.parametrize('calibrated', [True, False])
def test_layers_with_weights_alone(calibrated, model, tmp_path):
    images = np.stack([picture(tmp_path / f'f/{i}.png', seed=i) for i in range(3)])
    before = model.SerializeToString()
    found = quantize(model, Calibration(str(tmp_path / 'f'), {}, None, 1) if calibrated else None)
    assert model.SerializeToString() == before
    assert [(p.key, p.value) for p in found.metadata_props] == [('mila.task', 'classification')]
    onnx.checker.check_model(found)
    held = {t.name: t.data_type for t in found.graph.initializer}
    eight = {name for name, kind in held.items() if kind == TensorProto.INT8}
    assert any(name.startswith('matrix') for name in eight)
    assert any(name.startswith('kernel') for name in eight) == calibrated
    (attention,) = [node for node in found.graph.node if 'attention' == node.name]
    assert attention.op_type == 'MatMul'
    expected, actual = run(model, images), run(found, images)
    assert not (actual == expected).all()
    np.testing.assert_allclose(actual, expected, atol=0.1 * np.abs(expected).max())


ENTRY = dict(resize=20, interpolation='bicubic', crop=[16, 24])


@pytest.mark.parametrize(
    'preprocessing, size, batch, shape',
    [
        ({}, None, None, (1, 36, 40, 3)),
        ({}, (20, 30), 2, (2, 20, 30, 3)),
        (ENTRY, (16, 24), 2, (2, 16, 24, 3)),
    ],
)
def test_the_images_of_a_folder(preprocessing, size, batch, shape, tmp_path):
    given = [picture(tmp_path / f'f/{i}.png', seed=i) for i in range(3)]
    calibration, found = Calibration(str(tmp_path / 'f'), preprocessing, size, batch), []
    while (inputs := calibration.get_next()) is not None:
        assert list(inputs) == ['images'] and inputs['images'].shape == shape
        found.append(inputs['images'])
    assert len(found) == 3
    for images, pixels in zip(found, given, strict=True):
        assert (images == images[0]).all() and images.dtype == np.uint8
        if preprocessing:
            assert (images[0] == ResizeAndCrop(**preprocessing)(pixels)).all()
        elif size is None:
            assert (images[0] == pixels).all()


def test_the_first_hundred_images(tmp_path):
    for i in range(101):
        picture(tmp_path / f'f/{i:03}.png', size=(2, 2))
    calibration = Calibration(str(tmp_path / 'f'), {}, None, None)
    assert sum(1 for _ in iter(calibration.get_next, None)) == 100


def test_no_images(tmp_path):
    with pytest.raises(UsageError, match='no'):
        Calibration(str(tmp_path), {}, None, None)
