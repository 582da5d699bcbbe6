"""export/exporting.py: only a file that gives what the model gives gets its name."""

from pathlib import Path

import onnx
import pytest
import torch
from mmengine.registry import MODELS

from classification.datasets.digits import CLASSES
from classification.engine.configs.loading import load_config
from classification.engine.errors import CheckpointError, UsageError
from classification.export import exporting
from classification.export.exportable import Exportable
from classification.export.exporting import Request, export
from classification.export.pixels import Pixels
from tests.helpers import FIXTURES

pytestmark = pytest.mark.filterwarnings('ignore')  # of the exporter, about its own parts
MODEL = dict(_delete_=True, name='test_convnext', num_classes=10)


@pytest.fixture
def small(here):
    """(config, checkpoint) of a small classifier."""
    config = here / 'small.py'
    config.write_text(
        f'_base_ = {str(FIXTURES / "classification.py")!r}\nmodel = dict(model={MODEL!r})\n'
    )
    cfg = load_config(config)
    torch.manual_seed(0)
    meta = dict(dataset_meta=dict(classes=CLASSES))
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta=meta), 'small.pth')
    return cfg, 'small.pth'


@pytest.mark.parametrize(
    'to, out, path',
    [
        ('onnx', 'a/b', 'a/b.onnx'),
        ('onnx', 'b.onnx', 'b.onnx'),
        ('onnx', 'b.v2', 'b.v2.onnx'),
        ('openvino', 'b.onnx', 'b.onnx.xml'),
        ('openvino', 'b.xml', 'b.xml'),
        ('torch-export', 'b', 'b.pt2'),
    ],
)
def test_the_files_name(to, out, path):
    assert Request(to, Path(out)).path == Path(path)


def changed(graph):
    """A graph whose first kernels are in another order."""
    for tensor in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 4:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values[::-1].copy(), tensor.name))
            return graph
    raise AssertionError('no weight')


@pytest.mark.parametrize('bare, exists', [(False, True), (True, False)])
def test_a_wrong_model_is_refused(bare, exists, small, here, monkeypatch):
    """An existing file stays as it is, and nothing else is left."""
    make = exporting.onnx_model
    monkeypatch.setattr(exporting, 'onnx_model', lambda *args: changed(make(*args)))
    (here / 'out').mkdir()
    if exists:
        (here / 'out/m.onnx').write_bytes(b'before')
    with pytest.raises(CheckpointError) as caught:
        export(*small, Request('onnx', here / 'out/m', bare=bare))
    sentence = str(caught.value)
    assert sentence.startswith(f'{here / "out/m.onnx"} is not written, because its results differ')
    assert 'small.pth: scores differ by' in sentence and sentence.endswith('.')
    left = [path.read_bytes() for path in (here / 'out').iterdir()]
    assert left == ([b'before'] if exists else [])


def test_an_unforeseen_error_leaves_nothing(small, here, monkeypatch):
    def fail(path, *args):
        path.write_bytes(b'half')
        raise RuntimeError('unforeseen')

    monkeypatch.setattr(exporting, '_write', fail)
    with pytest.raises(RuntimeError, match='unforeseen'):
        export(*small, Request('onnx', here / 'out/m'))
    assert list((here / 'out').iterdir()) == []


def described(**options):
    return Exportable('', torch.nn.Identity(), [], [], Pixels([0] * 3, [1] * 3), **options)


@pytest.mark.parametrize(
    'bare, size, options, reason',
    [
        (False, (64, 48), dict(preprocessing={'crop': 1}, fixed_size=(32, 32)), 'cropped to 32x32'),
        (True, (65, 96), dict(multiple=32), 'multiples of 32: give 96x96'),
        (True, (64, 100), dict(multiple=32), 'multiples of 32: give 64x128'),
    ],
)
def test_sizes_that_do_not_fit(bare, size, options, reason):
    with pytest.raises(UsageError, match=f'{size[0]}x{size[1]} does not fit .* {reason}'):
        exporting._check_size(described(**options), bare, size)


@pytest.mark.parametrize(
    'bare, size, options',
    [
        (False, (32, 32), dict(preprocessing={'crop': 1}, fixed_size=(32, 32))),
        (True, (64, 48), dict(preprocessing={'crop': 1}, fixed_size=(32, 32))),
        (False, (65, 97), dict(multiple=32)),
        (True, (64, 96), dict(multiple=32)),
        (True, None, dict(multiple=32)),
    ],
)
def test_sizes_that_fit(bare, size, options):
    exporting._check_size(described(**options), bare, size)
