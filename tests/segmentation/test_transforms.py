"""segmentation/transforms.py: images are read as in all tasks, and maps fit them."""

import mmcv.transforms
import mmseg.datasets.transforms
import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from PIL import Image

import segmentation.transforms
from classification.engine.errors import DataError

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)
LABELS = RANDOM.integers(0, 256, (20, 30), dtype=np.uint8)


@pytest.fixture
def load(tmp_path):
    """A function: image and map -> the loaded sample."""

    def call(image, labels, exif=None):
        image.save(tmp_path / 'x.png', exif=exif or b'')
        labels.save(tmp_path / 'map.png')
        with DefaultScope.overwrite_default_scope('mmseg'):
            steps = Compose([dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')])
        assert type(steps.transforms[0]) is segmentation.transforms.LoadImageFromFile
        assert isinstance(steps.transforms[0], mmcv.transforms.LoadImageFromFile)
        assert isinstance(steps.transforms[1], mmseg.datasets.transforms.LoadAnnotations)
        info = dict(
            img_path=str(tmp_path / 'x.png'),
            seg_map_path=str(tmp_path / 'map.png'),
            reduce_zero_label=False,
            seg_fields=[],
        )
        return steps(info)

    return call


def palette(labels):
    picture = Image.fromarray(labels)
    picture.putpalette(RANDOM.integers(0, 256, 768, dtype=np.uint8).tolist())
    return picture


@pytest.mark.parametrize(
    'labels, expected',
    [
        (Image.fromarray(LABELS), LABELS),
        (palette(LABELS), LABELS),
        (Image.fromarray(LABELS > 99), LABELS > 99),
        (Image.fromarray(LABELS.astype(np.uint16)), LABELS),
    ],
    ids=['grey', 'palette', '1 bit', '16 bits'],
)
def test_maps_are_read_as_labels(load, labels, expected):
    loaded = load(Image.fromarray(PIXELS), labels)
    assert (loaded['gt_seg_map'] == expected).all()
    assert (loaded['img'][..., ::-1] == PIXELS).all()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    'labels, exif, message',
    [
        (Image.fromarray(PIXELS), None, r'map.png has colours \(mode RGB\) where one channel'),
        (Image.fromarray(PIXELS).convert('RGBA'), None, r'has colours \(mode RGBA\)'),
        (Image.fromarray(PIXELS).convert('LA'), None, r'has colours \(mode LA\)'),
        (Image.fromarray(LABELS[:9]), None, r'map.png is 30x9 .*, its image .*x.png 30x20'),
        (Image.fromarray(LABELS), turned(), r'map.png is 30x20 .*x.png 20x30, upright'),
        (Image.fromarray(LABELS.astype(np.uint16) * 257), None, 'map.png holds label 65[0-9]+'),
    ],
)
def test_maps_that_do_not_fit_are_refused(load, labels, exif, message):
    with pytest.raises(DataError, match=message):
        load(Image.fromarray(PIXELS), labels, exif)


def test_a_damaged_map_is_named(load, tmp_path):
    load(Image.fromarray(PIXELS), Image.fromarray(LABELS))
    content = (tmp_path / 'map.png').read_bytes()
    (tmp_path / 'map.png').write_bytes(content[:-30])
    step = segmentation.transforms.LoadAnnotations()
    with pytest.raises(DataError, match='map.png cannot be read as an image'):
        step(dict(seg_map_path=str(tmp_path / 'map.png')))


def test_a_map_that_its_exif_data_turn_is_refused(load, tmp_path):
    Image.fromarray(LABELS).save(tmp_path / 'turned.png', exif=turned())
    step = segmentation.transforms.LoadAnnotations()
    with pytest.raises(DataError, match='turned.png is turned by its EXIF data'):
        step(dict(seg_map_path=str(tmp_path / 'turned.png')))
