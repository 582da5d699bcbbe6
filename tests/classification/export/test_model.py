"""export/model.py, export/network.py: one file with pixels, network and its description."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from classification.engine.errors import UsageError
from classification.export.exportable import Exportable, Finish, Port
from classification.export.model import onnx_model
from classification.export.network import export_program
from classification.export.pixels import Pixels, network_size, pixels_graph
from classification.exported.description import describe
from classification.exported.model import ExportedModel
from classification.exported.onnx_file import read_onnx

pytestmark = pytest.mark.filterwarnings('ignore')  # of the exporter, about its own parts
CLASSES, PALETTE = ['a', 'ü "b"', 'c'], [(1, 2, 3), (4, 5, 6), (7, 8, 9)]


class Halves(nn.Module):
    """Logits at half the resolution: the channels, averaged."""

    def forward(self, x):
        return nn.functional.avg_pool2d(x, 2)


class Means(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3)).softmax(dim=1)


def classifier():
    port = Port('scores', ['batch', 3], 'float32', 'probability, 0 to 1')
    return Exportable(
        'classification',
        Means(),
        [port],
        [port],
        Pixels([0.4] * 3, [0.2] * 3, unit=True),
        fixed_size=(16, 16),
        preprocessing=dict(resize=20, interpolation='bilinear', crop=[16, 16]),
    )


def segmentor(multiple=2):
    logits = Port('logits', ['batch', 3, 'rows', 'columns'], 'float32', 'logits')

    def write(op, logits, shape, size):
        sizes = op.Concat(op.Shape(logits, start=0, end=2), size, axis=0)
        logits = op.Resize(logits, None, None, sizes, mode='nearest')
        return dict(map=op.ArgMax(logits, axis=1, keepdims=0))

    inputs = {
        'logits': (logits.dtype, logits.shape),
        'shape': ('int64', [2]),
        'size': ('int64', [2]),
    }
    return Exportable(
        'segmentation',
        Halves(),
        [logits],
        [Port('map', ['batch', 'height', 'width'], 'int64', 'class')],
        Pixels([0.0] * 3, [1.0] * 3, resize=(40, 20), divisor=multiple),
        multiple=multiple,
        finish=Finish(write, inputs),
    )


def saved(model, tmp_path):
    path = tmp_path / 'm.onnx'
    onnx.save(model, path)
    return read_onnx(path)


def dims(value):
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_what_a_classifiers_file_says(tmp_path):
    file = saved(onnx_model(classifier(), CLASSES, PALETTE, None, (16, 16)), tmp_path)
    described = describe(file)
    assert (described.task, described.classes) == ('classification', CLASSES)
    assert described.palette == PALETTE
    assert described.preprocessing.crop == (16, 16)
    assert [(v.name, v.dtype) for v in described.inputs] == [('images', 'uint8')]
    assert [(v.name, v.dtype) for v in described.outputs] == [('scores', 'float32')]
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    assert ExportedModel(file)(image).scores.sum() == pytest.approx(1)


@pytest.mark.parametrize('batch', [None, 2])
@pytest.mark.parametrize('size', [None, (30, 50)])
def test_the_sizes_of_a_whole_model(batch, size, tmp_path):
    described = segmentor()
    model = onnx_model(described, CLASSES, PALETTE, batch, size)
    names = [batch or 'batch', *(size or ('height', 'width'))]
    assert [dims(value) for value in model.graph.input] == [[*names, 3]]
    assert [dims(value) for value in model.graph.output] == [names]
    assert {(entry.domain, entry.version) for entry in model.opset_import} == {('', 18)}
    assert len(model.opset_import) == 1 and model.producer_name == 'mila'
    found = ExportedModel(saved(model, tmp_path))
    for height, width in [size] if size else [(30, 50), (7, 61), (64, 64)]:
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        pixels = pixels_graph(described.pixels, 1, image.shape[:2]).SerializeToString()
        x = onnxruntime.InferenceSession(pixels).run(['x'], {'images': image[None]})[0]
        assert x.shape[2:] == network_size(described.pixels, image.shape[:2])
        result = found(image)
        assert result.map.shape == image.shape[:2] and set(np.unique(result.map)) <= {0, 1, 2}


@pytest.mark.parametrize('batch, size', [(None, None), (2, (32, 48))])
def test_a_bare_network(batch, size, tmp_path):
    model = onnx_model(segmentor(), CLASSES, PALETTE, batch, size, bare=True)
    names = [batch or 'batch', 3, *(size or ('height', 'width'))]
    assert [dims(value) for value in model.graph.input] == [names]
    assert dims(model.graph.output[0])[:2] == [batch or 'batch', 3]
    assert [value.name for value in model.graph.output] == ['logits']
    with pytest.raises(UsageError, match='is a bare network'):
        describe(saved(model, tmp_path))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.random.default_rng(0).standard_normal((batch or 3, 3, *(size or (38, 14))), np.float32)
    expected = Halves()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(session.run(None, {'x': x})[0], expected, atol=1e-6)


@pytest.mark.parametrize('multiple', [1, 2, 32])
def test_a_program_for_any_size(multiple):
    module = export_program(segmentor(multiple), None, None).module()
    for batch, rows, columns in [(1, 2, 3), (3, 5, 2), (2, 3, 3)]:
        step = max(multiple, 4)
        x = torch.randn(batch, 3, rows * step, columns * step)
        assert torch.equal(module(x), Halves()(x))
