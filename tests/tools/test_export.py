"""tools/export.py: exported files give what the checkpoint gives; errors are one sentence."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope

from classification.engine.configs.loading import load_config
from classification.engine.images import read_image
from classification.engine.prediction.predictor import Predictor
from classification.export.equality import Differences
from classification.exported import load
from tests.detectors import find_something
from tests.helpers import FIXTURES

pytestmark = pytest.mark.filterwarnings('ignore')  # of the exporter, about its own parts
IMAGES = dict(
    classification='data/digits/imagenet/val',
    detection='data/digits/coco/val2017',
    segmentation='data/digits/ade/images/validation',
)


@pytest.fixture(scope='session')
def random_weights(digits, tmp_path_factory):
    """A function: task -> a checkpoint of the fixture's model with random weights."""
    folder = tmp_path_factory.mktemp('random')

    def save(task):
        path = folder / f'{task}.pth'
        if not path.exists():
            cfg = load_config(FIXTURES / f'{task}.py')
            init_default_scope(cfg.default_scope)
            torch.manual_seed(0)
            model = MODELS.build(cfg.model)
            if task == 'detection':
                find_something(model)
            classes = cfg.test_dataloader.dataset.get('metainfo', {}).get('classes')
            meta = dict(dataset_meta=dict(classes=classes or tuple('0123456789')))
            torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
        return path

    return save


@pytest.fixture
def export(run, random_weights, here):
    """A function: task, options -> the file that was written."""

    def call(task, *options, to='onnx', out='out/model'):
        return run('export', task, random_weights(task), '--to', to, '--out', out, *options)

    return call


def pictures(task):
    paths = sorted(path for path in Path(IMAGES[task]).rglob('*') if path.is_file())[:4]
    assert len(paths) == 4
    return [read_image(path) for path in paths]


def assert_predicts_as(checkpoint, path, task):
    """An exported file gives, of images and of a batch, what the Predictor gives."""
    predictor = Predictor(load_config(FIXTURES / f'{task}.py'), checkpoint, device='cpu')
    model = load(path)
    assert (model.task, list(model.classes)) == (task, list(predictor.classes))
    assert [tuple(colour) for colour in model.palette] == predictor.palette
    images, differences = pictures(task), Differences()
    for batch_size in (1, 4):
        found = model(images, batch_size=batch_size)
        for expected, actual in zip(predictor(images), found, strict=True):
            differences.compare(expected, actual)
    return differences


def only_file(folder):
    """The one file in a folder, in which nothing else was left."""
    (path,) = folder.iterdir()
    return path


def test_a_classifier_as_onnx(export, random_weights, here, capsys):
    path = export('classification')
    assert only_file(here / 'out') == path.resolve() == here / 'out/model.onnx'
    out = capsys.readouterr().out
    assert 'images for the comparison: the test dataset' in out
    assert 'largest difference of scores' in out
    differences = assert_predicts_as(random_weights('classification'), path, 'classification')
    assert differences.largest['scores'] < 1e-5


def test_the_file_has_the_name_of_the_checkpoint(run, random_weights, here):
    checkpoint = here / 'epoch_2.1.pth'
    checkpoint.write_bytes(random_weights('classification').read_bytes())
    path = run('export', 'classification', checkpoint, '--to', 'onnx')
    assert path == here / 'epoch_2.1.onnx'


def test_a_classifier_in_openvino(export, random_weights, here):
    openvino = pytest.importorskip('openvino')
    path = export('classification', to='openvino')
    assert {file.name for file in path.parent.iterdir()} == {'model.xml', 'model.bin'}
    model = openvino.Core().read_model(path)
    classes = model.get_rt_info(['mila', 'classes']).astype(str)
    assert json.loads(classes) == list('0123456789')
    compiled = openvino.compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    images = np.stack(pictures('classification'))
    (scores,) = compiled([images]).values()
    expected = expected_scores(random_weights)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def expected_scores(random_weights):
    cfg = load_config(FIXTURES / 'classification.py')
    predictor = Predictor(cfg, random_weights('classification'), device='cpu')
    return [result.scores for result in predictor(pictures('classification'))]


def test_a_classifier_as_a_program(export, random_weights, here):
    path = export('classification', to='torch-export')
    assert only_file(here / 'out') == here / path
    images = torch.from_numpy(np.stack(pictures('classification'))).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    scores = torch.export.load(path).module()((images - mean) / std)
    np.testing.assert_allclose(scores.detach(), expected_scores(random_weights), atol=1e-5)


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize('calibrated', [True, False])
def test_a_classifier_of_8_bits(calibrated, export, random_weights, here, capsys):
    path = export('classification', '--int8', *([IMAGES['classification']] if calibrated else []))
    assert only_file(here / 'out') == here / path
    assert 'measure them with tools/test.py' in capsys.readouterr().out
    found = [result.scores for result in load(path)(pictures('classification'))]
    expected = np.array(expected_scores(random_weights))
    assert not np.allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_a_number_of_images(export, random_weights):
    path = export('classification', '--batch', '3')
    (value,) = onnx.load(path).graph.input
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [3, 32, 32, 3]
    assert_predicts_as(random_weights('classification'), path, 'classification')


@pytest.mark.slow
@pytest.mark.parametrize('to', ['onnx', 'openvino', 'torch-export'])
@pytest.mark.parametrize('task', ['segmentation', 'detection'])
def test_maps_and_objects(task, to, export, random_weights):
    path = export(task, to=to)
    if to == 'onnx':
        differences = assert_predicts_as(random_weights(task), path, task)
        assert task == 'segmentation' or differences.objects == 2 * 4 * 5


@pytest.mark.slow
@pytest.mark.parametrize('task', ['segmentation', 'detection'])
def test_images_of_one_size(task, export, random_weights):
    path = export(task, '--size', '64x64', '--batch', '2')
    assert_predicts_as(random_weights(task), path, task)


@pytest.mark.slow
@pytest.mark.parametrize('task', ['segmentation', 'detection'])
@pytest.mark.parametrize('part', ['--bare', '--backbone'])
def test_a_part(task, part, export, fails):
    path = export(task, part)
    assert 'is a bare network' in fails('test', FIXTURES / f'{task}.py', path)


@pytest.mark.parametrize(
    'task',
    [
        'classification',
        *(pytest.param(task, marks=pytest.mark.slow) for task in ('detection', 'segmentation')),
    ],
)
def test_the_metrics_of_the_checkpoint(task, export, run, random_weights, here, capsys):
    path = export(task)
    expected = run('test', task, random_weights(task))
    capsys.readouterr()
    found = run('test', task, path, '--out', 'metrics.json')
    assert found == pytest.approx(expected, abs=1e-4, nan_ok=True)
    assert len(found) > 1 and all(name in capsys.readouterr().out for name in found)
    assert set(json.loads((here / 'metrics.json').read_text())) == set(found)
