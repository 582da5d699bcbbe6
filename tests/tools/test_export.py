"""tools/export.py: exported files give what the checkpoint gives; errors are one sentence."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from onnx import TensorProto

from classification.datasets.digits import CLASSES
from classification.engine.configs.loading import load_config
from classification.engine.images import read_image
from classification.engine.prediction.predictor import Predictor
from classification.export import exporting
from classification.export.equality import Differences
from classification.exported import load
from tests.detectors import find_something
from tests.exported import write_model
from tests.helpers import FIXTURES, picture

pytestmark = pytest.mark.filterwarnings('ignore')  # of the exporter, about its own parts
IMAGES = dict(
    classification='data/digits/imagenet/val',
    detection='data/digits/coco/val2017',
    segmentation='data/digits/ade/images/validation',
)
DIGITS = tuple(f'{i}_{name}' for i, name in enumerate(CLASSES))  # as the folders are named
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope='session')
def random_weights(digits, tmp_path_factory):
    """A function: config -> a checkpoint of its model with random weights."""
    folder = tmp_path_factory.mktemp('random')

    def save(config):
        path = folder / f'{config.stem}.pth'
        if not path.exists():
            cfg = load_config(config)
            init_default_scope(cfg.default_scope)
            torch.manual_seed(0)
            model = MODELS.build(cfg.model)
            if config.stem == 'detection':
                find_something(model)
            dataset = cfg.test_dataloader.dataset
            classes = dataset.get('metainfo', {}).get('classes') or DIGITS
            meta = dict(dataset_meta=dict(classes=classes))
            torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
        return path

    return save


@pytest.fixture
def configs(here):
    """Name -> config: of each task, and 'small' of a classifier that is exported in no time."""
    path = here / 'small.py'
    path.write_text(
        f'_base_ = {str(FIXTURES / "classification.py")!r}\n'
        "model = dict(model=dict(_delete_=True, name='test_convnext', num_classes=10))\n"
    )
    return {'small': path, **{task: FIXTURES / f'{task}.py' for task in IMAGES}}


@pytest.fixture
def export(run, random_weights, configs):
    """A function: name of a config, options -> the file that was written."""

    def call(name, *options, to='onnx', out='out/model'):
        config = configs[name]
        return run('export', config, random_weights(config), '--to', to, '--out', out, *options)

    return call


@pytest.fixture
def predictor(random_weights, configs):
    """A function: name of a config -> what predicts with its checkpoint."""
    return lambda name: Predictor(
        load_config(configs[name]), random_weights(configs[name]), device='cpu'
    )


def pictures(task):
    paths = sorted(path for path in Path(IMAGES[task]).rglob('*') if path.is_file())[::7][:4]
    return [read_image(path) for path in paths]


def assert_predicts_as(predictor, path):
    """An exported file gives, of images and of a batch, what the Predictor gives."""
    model = load(path)
    assert list(model.classes) == list(predictor.classes)
    assert list(model.palette) == list(predictor.palette)
    images, differences = pictures(model.task), Differences()
    for batch_size in (1, len(images)):
        found = model(images, batch_size=batch_size)
        for expected, actual in zip(predictor(images), found, strict=True):
            differences.compare(expected, actual)
    return differences


def only_file(folder):
    """The one file in a folder, in which nothing else was left."""
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize('name', ['small', pytest.param('classification', marks=pytest.mark.slow)])
def test_a_classifier_as_onnx(name, export, predictor, here, capsys):
    path = export(name)
    assert only_file(here / 'out') == here / path and path.name == 'model.onnx'
    out = capsys.readouterr().out
    assert 'images for the comparison: the test dataset' in out
    assert 'largest difference of scores' in out
    assert assert_predicts_as(predictor(name), path).largest['scores'] < 1e-5


def test_the_file_has_the_name_of_the_checkpoint(run, configs, monkeypatch):
    monkeypatch.setattr(exporting, 'export', lambda cfg, checkpoint, request: request.path)
    path = run('export', configs['small'], 'a/epoch_2.1.pth', '--to', 'onnx')
    assert path == Path('a/epoch_2.1.onnx')


def test_a_classifier_in_openvino(export, predictor):
    openvino = pytest.importorskip('openvino')
    path = export('small', to='openvino')
    assert {file.name for file in path.parent.iterdir()} == {'model.xml', 'model.bin'}
    model = openvino.Core().read_model(path)
    classes = model.get_rt_info(['mila', 'classes']).astype(str)
    assert tuple(json.loads(classes)) == DIGITS
    compiled = openvino.compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    (scores,) = compiled([np.stack(pictures('classification'))]).values()
    np.testing.assert_allclose(scores, expected_scores(predictor), atol=1e-5)


def expected_scores(predictor):
    return [result.scores for result in predictor('small')(pictures('classification'))]


def test_a_classifier_as_a_program(export, predictor, here):
    path = export('small', to='torch-export')
    assert only_file(here / 'out') == here / path and path.suffix == '.pt2'
    images = torch.from_numpy(np.stack(pictures('classification'))).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    scores = torch.export.load(path).module()((images - mean) / std).detach()
    np.testing.assert_allclose(scores, expected_scores(predictor), atol=1e-5)


@pytest.mark.parametrize('calibrated', [True, False])
def test_a_classifier_of_8_bits(calibrated, export, predictor, here, capsys):
    path = export('small', '--int8', *([IMAGES['classification']] if calibrated else []))
    assert only_file(here / 'out') == here / path
    assert 'measure them with tools/test.py' in capsys.readouterr().out
    linear = [m for m in predictor('small').model.modules() if isinstance(m, torch.nn.Linear)]
    weights = [t for t in onnx.load(path).graph.initializer if t.data_type == TensorProto.INT8]
    assert len([t for t in weights if len(t.dims) > 1]) >= len(linear) > 10
    found = [result.scores for result in load(path)(pictures('classification'))]
    assert not np.allclose(found, expected_scores(predictor), atol=1e-6)
    np.testing.assert_allclose(found, expected_scores(predictor), atol=0.05)


def test_a_number_of_own_images(export, predictor, here, capsys):
    picture(here / 'own/a.png', size=(90, 40))
    (here / 'model.onnx').write_bytes(b'replaced')
    path = export('small', '--batch', '3', '--images', here / 'own', out='model')
    assert f'images for the comparison: {here / "own"}' in capsys.readouterr().out
    (value,) = onnx.load(path).graph.input
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [3, 32, 32, 3]
    assert_predicts_as(predictor('small'), path)


@pytest.mark.slow
@pytest.mark.parametrize('to', ['onnx', 'openvino', 'torch-export'])
@pytest.mark.parametrize('task', ['segmentation', 'detection'])
def test_maps_and_objects(task, to, export, predictor, run, configs, random_weights):
    path = export(task, to=to)
    if to == 'onnx':
        differences = assert_predicts_as(predictor(task), path)
        assert differences.objects == (2 * len(pictures(task)) * 5 if task == 'detection' else 0)
        assert_same_metrics(run, configs[task], random_weights(configs[task]), path)


@pytest.mark.slow
@pytest.mark.parametrize('task', ['segmentation', 'detection'])
def test_images_of_one_size(task, export, predictor):
    path = export(task, '--size', '64x64', '--batch', '2')
    (value,) = onnx.load(path).graph.input
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [2, 64, 64, 3]
    assert_predicts_as(predictor(task), path)


@pytest.mark.slow
@pytest.mark.parametrize('task', ['segmentation', 'detection'])
@pytest.mark.parametrize('part', ['--bare', '--backbone'])
def test_a_part(task, part, export, configs, fails):
    path = export(task, part)
    assert 'is a bare network' in fails('test', configs[task], path)


def test_the_metrics_of_a_classifier(export, run, configs, random_weights, here, capsys):
    path = export('small')
    assert_same_metrics(run, configs['small'], random_weights(configs['small']), path)
    metrics = run('test', configs['small'], path, '--out', 'metrics.json')
    out = capsys.readouterr().out
    assert all(name in out for name in metrics)
    assert json.loads((here / 'metrics.json').read_text()) == pytest.approx(metrics)


def assert_same_metrics(run, config, checkpoint, path):
    """tools/test.py says of an exported file what it says of the checkpoint."""
    expected = run('test', config, checkpoint)
    assert expected
    assert run('test', config, path) == pytest.approx(expected, abs=1e-4, nan_ok=True)


@pytest.mark.parametrize('option', ['--tta', '--show-dir=a', '--input-size=64', '--crop-pct=1'])
def test_how_an_exported_model_is_not_tested(option, configs, fails, here):
    path = write_model(here / 'm.onnx', 'classification')
    assert 'is tested without' in fails('test', configs['small'], path, option)


@pytest.mark.parametrize(
    'options, sentence',
    [
        (['--size', '32'], "'32' is neither like 224x192, height first, nor dynamic"),
        (['--size', '0x32'], "'0x32' is neither"),
        (['--batch', '0'], "'0' is neither a number from 1 nor dynamic"),
        (['--int8', '--to', 'openvino'], '--int8 is for whole models in ONNX'),
        (['--int8', '--bare'], '--int8 is for whole models in ONNX'),
        (['--images', 'a.png', '--to', 'torch-export'], '--images is for whole models'),
        (['--to', 'tflite'], "invalid choice: 'tflite'"),
    ],
    ids=str,
)
def test_wrong_options(options, sentence, script, capsys):
    with pytest.raises(SystemExit) as stop:
        script('export').main(['a.py', 'a.pth', '--to', 'onnx', *options])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    'options, sentence',
    [
        (['--backbone'], 'ImageClassifier has a backbone that gives no maps'),
        (['--size', '64x48'], 'does not fit a classifier whose images are cropped to 32x32'),
        (['--int8', 'nowhere'], 'nowhere does not exist'),
        (['--images', 'nowhere'], 'nowhere does not exist'),
    ],
    ids=str,
)
def test_mistakes_are_one_sentence(options, sentence, configs, random_weights, fails, here):
    weights = random_weights(configs['small'])
    message = fails('export', configs['small'], weights, '--to', 'onnx', '--out', 'o/m', *options)
    assert sentence in message and message.endswith('.')
    assert not [path for path in here.rglob('*') if path.name.startswith(('m', '.export'))]


def test_checkpoints_that_are_not_there(configs, random_weights, fails, here):
    assert 'none.pth' in fails('export', configs['small'], 'none.pth', '--to', 'onnx')
    address = fails('export', configs['small'], 'https://a.example/a.pth', '--to', 'onnx')
    assert 'is an address: name the file to write with --out' in address
    other = random_weights(FIXTURES / 'segmentation.py')
    assert str(other) in fails('export', configs['small'], other, '--to', 'onnx', '--out', 'm')


@pytest.mark.parametrize('package', ['onnx', 'onnxscript', 'onnxruntime', 'openvino'])
def test_a_package_that_is_missing(package, configs, fails, monkeypatch, here):
    monkeypatch.setitem(sys.modules, package, None)
    sentence = fails('export', configs['small'], 'a.pth', '--to', 'openvino')
    assert sentence.startswith(f'Exporting needs {package}, which cannot be loaded')
    assert sentence.endswith(f'pip install {package}.')
