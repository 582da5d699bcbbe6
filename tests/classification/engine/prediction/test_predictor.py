"""engine/prediction/predictor.py: a Predictor for Python users, and whence classes come."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

import classification
import detection
import segmentation
from classification.engine import images
from classification.engine.configs.loading import load_config
from classification.engine.errors import DataError, UsageError
from classification.engine.images import read_image
from classification.engine.machine import locks
from classification.engine.prediction.files import predict_files
from classification.engine.prediction.predictor import Predictor, find_classes
from classification.engine.prediction.sources import Source, find_images
from classification.engine.weights.formats import read_weights
from tests.helpers import FIXTURES, LAST

SCENES = 'data/digits/coco/val2017'


def test_classes_come_from_the_checkpoint_else_from_the_config(here):
    cfg = Config(
        dict(
            test_dataloader=dict(
                dataset=dict(type='ImageFolder', metainfo=dict(classes=['a', 'b']))
            )
        )
    )
    meta = {'dataset_meta': {'classes': ('c',), 'palette': [[1, 2, 3]]}}
    torch.save({'meta': meta, 'state_dict': {'x': torch.zeros(1)}}, 'own.pth')
    torch.save({'x': torch.zeros(1)}, 'plain.pth')
    assert find_classes(cfg, read_weights('own.pth')) == (('c',), [(1, 2, 3)])
    classes, palette = find_classes(cfg, read_weights('plain.pth'))
    assert classes == ['a', 'b'] and len(set(palette)) == 2
    del cfg.test_dataloader.dataset['metainfo']
    with pytest.raises(UsageError, match='plain.pth nor .* names the classes'):
        find_classes(cfg, read_weights('plain.pth'))


@pytest.mark.parametrize(
    'meta',
    [
        {'dataset_meta': {'classes': ('a',)}},
        {'dataset_meta': {'classes': 'abc'}},
        {'dataset_meta': {'classes': [1, 2, 3]}},
        {'dataset_meta': {'classes': torch.zeros(0)}},
        {'dataset_meta': {'classes': 3}},
    ],
    ids=['too few', 'text', 'numbers', 'tensor', 'number'],
)
def test_names_of_classes_that_cannot_be_right(here, meta):
    cfg = load_config(FIXTURES / 'classification.py')
    torch.save({'meta': meta, 'state_dict': {'x': torch.zeros(1)}}, 'own.pth')
    with pytest.raises(
        UsageError, match=r'own.pth .state_dict. has .*, the model of .* scores 10: give'
    ):
        find_classes(cfg, read_weights('own.pth'))


@pytest.mark.parametrize(
    'meta',
    [None, [], 'x', {'dataset_meta': []}, {'dataset_meta': 'classes'}],
    ids=repr,
)
def test_what_says_nothing_of_the_classes(here, meta):
    cfg = load_config(FIXTURES / 'classification.py')
    cfg.test_dataloader.dataset.metainfo = dict(classes=list('abcdefghij'))
    torch.save({'meta': meta, 'state_dict': {'x': torch.zeros(1)}}, 'own.pth')
    assert len(find_classes(cfg, read_weights('own.pth'))[0]) == 10


@pytest.mark.parametrize('palette', ['abc', [1, 2], [(1, 2)] * 10, [(1, 2, 300)] * 10, 7])
def test_palettes_that_are_none(here, palette):
    cfg = load_config(FIXTURES / 'classification.py')
    meta = {'dataset_meta': {'classes': list('abcdefghij'), 'palette': palette}}
    torch.save({'meta': meta, 'state_dict': {'x': torch.zeros(1)}}, 'own.pth')
    assert len(set(find_classes(cfg, read_weights('own.pth'))[1])) == 10


@pytest.fixture
def predictor(trained, here):
    """A function: task -> a Predictor of its short training."""

    def make(task):
        return Predictor(load_config(FIXTURES / f'{task}.py'), trained(task) / LAST[task], 'cpu')

    return make


TASKS = ['classification', 'detection', 'segmentation']


@pytest.mark.parametrize('task', TASKS)
def test_a_checkpoint_and_each_image_are_read_once(task, predictor, monkeypatch):
    opened, load = [], torch.load
    monkeypatch.setattr(torch, 'load', lambda path, **kw: opened.append(path) or load(path, **kw))
    model = predictor(task)
    assert len(opened) == 1
    sources, _ = find_images([SCENES])
    read, calls = images.read_pil, []
    monkeypatch.setattr(images, 'read_pil', lambda *args: calls.append(args) or read(*args))
    found = list(model.stream(sources, batch_size=3))
    assert [source for source, _ in found] == sources and len(calls) == len(sources)
    for source, result in found:
        assert (result.image == read_image(source.file_name)).all()
        assert result.draw().size == (320, 320)


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('kind', ['turned', 'grey of 16 bits'])
def test_what_is_drawn_is_what_the_model_saw(task, kind, predictor, here, monkeypatch):
    """The pixels of the overlay, passed through the pipeline, give the model's input."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    if kind == 'turned':
        exif = Image.Exif()
        exif[0x0112] = 6  # by 90 degrees
        Image.fromarray(pixels).save('x.png', exif=exif)
        seen = pixels[::-1].transpose(1, 0, 2)
    else:
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save('x.png')
        seen = pixels[..., :1].repeat(3, axis=2)
    Image.fromarray(seen).save('plain.png')
    model, inputs = predictor(task), []
    step = model.model.test_step
    monkeypatch.setattr(
        model.model, 'test_step', lambda data: inputs.append(data['inputs'][0]) or step(data)
    )
    sources, _ = find_images(['x.png', 'plain.png'])
    for _, result in model.stream(sources):
        assert (result.image == seen).all()
    assert (inputs[0] == inputs[1]).all()


def bad_file(here):
    (here / 'bad.png').write_bytes(b'garbage')


def bad_in_the_model(here):
    """A strip that UperNet's input makes thinner than MILA's least size."""
    Image.new('RGB', (1500, 40)).save('bad.png')


@pytest.mark.parametrize('make, error', [(bad_file, DataError), (bad_in_the_model, ValueError)])
def test_an_odd_image_costs_no_other_its_result(make, error, predictor, here):
    make(here)
    good = str(min(Path(SCENES).iterdir()))
    sources = [Source(good, Path('a')), Source('bad.png', Path('b')), Source(good, Path('c'))]
    found = list(predictor('segmentation').stream(sources, batch_size=3))
    assert [source.name.name for source, _ in found] == ['a', 'b', 'c']
    assert type(found[1][1]) is error
    assert (found[0][1].map == found[2][1].map).all()


def test_an_image_that_breaks_its_batch_is_told_from_the_others(predictor, here, monkeypatch):
    model = predictor('classification')
    step = model.model.test_step

    def picky(data):
        if any(image.max() < -1 for image in data['inputs']):
            raise RuntimeError('too dark')
        return step(data)

    monkeypatch.setattr(model.model, 'test_step', picky)
    Image.new('RGB', (64, 64)).save('dark.png')
    good = str(min(Path(SCENES).iterdir()))
    sources = [Source(name, Path(str(i))) for i, name in enumerate([good, 'dark.png', good])]
    outcomes = [outcome for _, outcome in model.stream(sources, batch_size=3)]
    assert [isinstance(outcome, RuntimeError) for outcome in outcomes] == [False, True, False]


LOADERS = dict(classification=classification, detection=detection, segmentation=segmentation)


@pytest.mark.parametrize('task', TASKS)
def test_three_lines_of_python(task, trained, here, capsys):
    model = LOADERS[task].load(trained(task), device='cpu')
    assert LAST[task] in capsys.readouterr().out
    path = min(Path(SCENES).iterdir())
    pixels = read_image(path)
    one = model(path)
    values = dict(classification='scores', detection='boxes', segmentation='map')[task]
    forms = [
        str(path),
        path.read_bytes(),
        Image.fromarray(pixels),
        pixels,
        torch.from_numpy(pixels).permute(2, 0, 1),
        torch.from_numpy(pixels / 255.0).permute(2, 0, 1).float(),
    ]
    several = model(forms)
    assert len(several) == len(forms)
    for result in several:
        assert (result.image == pixels).all()
        assert (getattr(result, values) == getattr(one, values)).all()
    assert one._repr_png_().startswith(b'\x89PNG') and len(one.names) >= 10
    batched = model(forms[:3], batch_size=3)
    assert np.allclose(getattr(batched[1], values), getattr(one, values), atol=1e-3)
    with pytest.raises(DataError, match='An array of shape .3, 64, 7, 1. is no image'):
        model(np.zeros((3, 64, 7, 1)))


def test_a_model_of_another_task_is_refused(trained, here):
    with pytest.raises(UsageError, match='is a model of the scope mmdet, not mmseg: load it with'):
        segmentation.load(trained('detection'))
    with pytest.raises(UsageError, match='precision is one of fp32, bf16, fp16'):
        detection.load(trained('detection'), precision='int8')
    with pytest.raises(UsageError, match='Tiles of 64 pixels are not possible'):
        classification.engine.prediction.predictor.load_predictor(
            trained('classification'), tile=64
        )


def test_mixed_precision_predicts_about_the_same(trained, here):
    path = min(Path(SCENES).iterdir())
    scores = [
        classification.load(trained('classification'), 'cpu', precision)(path).scores
        for precision in ('fp32', 'bf16')
    ]
    assert (scores[0] != scores[1]).any()
    assert np.allclose(*scores, atol=0.02)


def test_threads_may_share_models(trained, here):
    """Also models of two tasks, whose frameworks have global states."""
    paths = sorted(Path(SCENES).iterdir())
    detector = detection.load(trained('detection'), 'cpu')
    segmentor = segmentation.load(trained('segmentation'), 'cpu')

    def predict(path):
        return detector(path).boxes, segmentor(path).map

    expected = [predict(path) for path in paths]
    with ThreadPoolExecutor(4) as pool:
        for found, right in zip(pool.map(predict, paths * 3), expected * 3, strict=True):
            assert all((a == b).all() for a, b in zip(found, right, strict=True))


def test_an_interruption_leaves_what_was_done(predictor, here, monkeypatch):
    model = predictor('classification')

    def stream(sources, batch_size):
        yield from itertools.islice(Predictor.stream(model, sources), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(model, 'stream', stream)
    sources, _ = find_images([SCENES])
    with pytest.raises(KeyboardInterrupt):
        predict_files(model, sources, 'out')
    assert len(json.loads((here / 'out/results.json').read_text())) == 2
    assert not (here / 'out/results.jsonl').exists()
    with pytest.raises(UsageError, match='out is not empty: choose another folder'):
        predict_files(model, sources, 'out')


def test_results_are_on_disk_as_they_come(predictor, here, monkeypatch):
    """So that a killed process leaves them."""
    model, lines = predictor('detection'), []

    def stream(sources, batch_size):
        for item in Predictor.stream(model, sources):
            path = here / 'out/results.jsonl'
            lines.append(len(path.read_text().splitlines()) if path.exists() else 0)
            yield item

    monkeypatch.setattr(model, 'stream', stream)
    predicted = predict_files(model, find_images([SCENES])[0], 'out')
    assert predicted.done == 4 and not predicted.failed
    assert lines == [0, 1, 2, 3]


def test_two_at_once_do_not_write_into_one_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, '_lock', lambda file: False)  # as another process has it
    predictor = SimpleNamespace(formats={})
    with pytest.raises(UsageError, match='out is being written by another process'):
        predict_files(predictor, [], tmp_path / 'out')
