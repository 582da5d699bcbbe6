"""classification/engine/inference.py: a Predictor for Python users, and whence classes come."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from classification.engine import images, inference
from classification.engine.config import load_config
from classification.engine.errors import UsageError
from classification.engine.images import read_picture
from classification.engine.inference import Predictor, find_classes
from classification.engine.weights import read_weights
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


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
def test_a_predictor_reads_and_decodes_once(task, predictor, monkeypatch):
    """One checkpoint is opened, and pictures are those that a viewer shows, not read again."""
    opened, load = [], torch.load
    monkeypatch.setattr(torch, 'load', lambda path, **kw: opened.append(path) or load(path, **kw))
    model = predictor(task)
    assert len(opened) == 1
    monkeypatch.setattr(inference, 'read_picture', None)  # called, it would fail
    paths = sorted(Path(SCENES).iterdir())
    found = list(model(paths, batch_size=3))
    assert [prediction.path for prediction in found] == paths
    for prediction in found:
        assert (prediction.picture == read_picture(prediction.path)).all()
        assert model.draw(prediction).size == (320, 320)


@pytest.mark.parametrize('task', ['classification', 'detection'])
def test_a_turned_image_is_drawn_upright(task, predictor, here):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save('turned.png', exif=exif)
    (prediction,) = predictor(task)(['turned.png'])
    assert prediction.picture.shape == (64, 48, 3)
    assert (prediction.picture == images.read_picture('turned.png')).all()


def test_an_unreadable_image_has_no_prediction(predictor, here):
    (here / 'bad.png').write_bytes(b'garbage')
    good = min(Path(SCENES).iterdir())
    found = list(predictor('classification')([good, 'bad.png', good], batch_size=2))
    assert [(p.path.name, p.sample is None) for p in found] == [
        ('bad.png', True),
        (good.name, False),
        (good.name, False),
    ]
