"""detection/transforms.py: mmdet's configs read images as all tasks do."""

import mmcv.transforms
import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmengine.registry import DefaultScope
from PIL import Image

import detection.transforms
from classification.engine.errors import DataError
from classification.engine.images import read_image


@pytest.fixture
def load():
    """A function: arguments of LoadImageFromFile, a sample -> the loaded sample."""

    def call(info, **kwargs):
        with DefaultScope.overwrite_default_scope('mmdet'):
            step = TRANSFORMS.build(dict(type='LoadImageFromFile', **kwargs))
        assert type(step) is detection.transforms.LoadImageFromFile
        assert isinstance(step, mmcv.transforms.LoadImageFromFile)
        return step(dict(info))

    return call


@pytest.fixture
def path(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'x.jpg')
    return str(tmp_path / 'x.jpg')


@pytest.mark.parametrize('options', [{}, dict(to_float32=True), dict(backend_args=dict())])
def test_ordinary_images_are_mmcvs(load, path, options):
    ours = load(dict(img_path=path), **options)
    theirs = mmcv.transforms.LoadImageFromFile(**options)(dict(img_path=path))
    assert ours.keys() == theirs.keys()
    assert (ours['img'] == theirs['img']).all() and ours['img'].dtype == theirs['img'].dtype
    assert ours['img_shape'] == ours['ori_shape'] == theirs['ori_shape'] == (20, 30)


def test_what_is_read_already_is_taken(load, path):
    loaded = load(dict(img_path='nowhere', picture=read_image(path)))
    assert (loaded['img'] == load(dict(img_path=path))['img']).all() and 'picture' not in loaded


def test_other_readings_are_left_to_mmcv(load, path):
    grey = load(dict(img_path=path), color_type='grayscale')
    assert grey['img'].shape[:2] == (20, 30) and grey['img'].squeeze().ndim == 2


def test_what_cannot_be_read_is_named(load, tmp_path):
    (tmp_path / 'bad.jpg').write_bytes(b'garbage')
    with pytest.raises(DataError, match='bad.jpg cannot be read as an image'):
        load(dict(img_path=str(tmp_path / 'bad.jpg')))
    assert load(dict(img_path=str(tmp_path / 'bad.jpg')), ignore_empty=True) is None
    with pytest.raises(DataError, match='http://localhost:1/x.jpg cannot be read'):
        load(dict(img_path='http://localhost:1/x.jpg'))


def test_annotations_of_another_size_are_refused(load, path):
    """As those made on the stored pixels of a photo that EXIF data turn."""
    assert load(dict(img_path=path, width=30, height=20))['img'].shape == (20, 30, 3)
    with pytest.raises(DataError, match=r'x.jpg is 30x20 .*its annotations are for 20x30'):
        load(dict(img_path=path, width=20, height=30))
