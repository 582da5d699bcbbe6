"""exported/preprocessing.py: the very pixels of timm's transforms for evaluation."""

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform
from torchvision import transforms

from classification.engine.errors import DataError
from classification.exported.preprocessing import ResizeAndCrop

SIZES = [(40, 36), (36, 40), (32, 32), (33, 31), (200, 20), (7, 90), (1, 1), (301, 299)]


def noise(size):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('interpolation', ['bicubic', 'bilinear'])
@pytest.mark.parametrize('resize, crop', [(36, 32), (32, 32), (255, 224), (20, 31)])
def test_shorter_side(size, interpolation, resize, crop):
    modes = transforms.InterpolationMode
    mode = dict(bicubic=modes.BICUBIC, bilinear=modes.BILINEAR)[interpolation]
    reference = transforms.Compose([transforms.Resize(resize, mode), transforms.CenterCrop(crop)])
    expected = np.asarray(reference(Image.fromarray(noise(size))))
    found = ResizeAndCrop(resize, interpolation, [crop, crop])(noise(size))
    assert found.dtype == np.uint8 and (found == expected).all()


@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('resize, crop', [((48, 30), (40, 25)), ((20, 60), (31, 40))])
def test_both_sides(size, resize, crop):
    mode = transforms.InterpolationMode.BICUBIC
    reference = transforms.Compose([transforms.Resize(resize, mode), transforms.CenterCrop(crop)])
    expected = np.asarray(reference(Image.fromarray(noise(size))))
    found = ResizeAndCrop([*resize], 'bicubic', [*crop])(noise(size))
    assert (found == expected).all()


@pytest.mark.parametrize('size', SIZES, ids=str)
def test_timm(size):
    transform = create_transform(224, interpolation='bicubic', crop_pct=0.875, normalize=False)
    expected = transform(Image.fromarray(noise(size)))
    assert expected.dtype == torch.uint8
    found = ResizeAndCrop(256, 'bicubic', [224, 224])(noise(size))
    assert (found == expected.permute(1, 2, 0).numpy()).all()


def test_a_strip_is_not_enlarged_without_bound():
    with pytest.raises(DataError, match='9000x1 pixels would be enlarged to 2304000x256'):
        ResizeAndCrop(256, 'bicubic', [224, 224])(noise((1, 9000)))


@pytest.mark.parametrize(
    'resize, interpolation, crop',
    [
        (0, 'bicubic', [224, 224]),
        (True, 'bicubic', [224, 224]),
        ('256', 'bicubic', [224, 224]),
        ([256], 'bicubic', [224, 224]),
        (10**9, 'bicubic', [224, 224]),
        (256, 'nearest', [224, 224]),
        (256, ['bicubic'], [224, 224]),
        (256, 'bicubic', 224),
        (256, 'bicubic', [224, -1]),
        (256, 'bicubic', None),
    ],
)
def test_what_is_not_possible(resize, interpolation, crop):
    with pytest.raises(ValueError, match='crops to no size|resizes to no size|interpolates by'):
        ResizeAndCrop(resize, interpolation, crop)
