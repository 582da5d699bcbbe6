"""classification/datasets/transforms.py: images become RGB, and what configs do with them."""

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import TRANSFORMS
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

import classification  # noqa: F401  registers
from tests.helpers import ROOT, picture

CONFIGS = ROOT / 'configs'
IMAGENET = 'classification/mila-t_8xb128_in1k.py'
DIGITS = 'quickstart/mila-digits_1xb64_digits.py'


@pytest.mark.parametrize('mode', ['L', 'P', '1', 'RGB', 'RGBA', 'CMYK'])
def test_any_image_becomes_rgb(tmp_path, mode):
    path = tmp_path / ('x.jpg' if mode == 'CMYK' else 'x.png')
    picture(path, mode=mode)
    image = TRANSFORMS.build(dict(type='ReadImage'))(dict(img_path=path))['img']
    assert (image.mode, image.size) == ('RGB', (40, 36))


def pipeline(config, split):
    cfg = Config.fromfile(CONFIGS / config)
    return cfg[f'{split}_dataloader'].dataset.pipeline


def test_imagenet_evaluation(tmp_path):
    """The shorter side to 256 (as it is here), the 224 in the centre, normalised."""
    pixels = picture(tmp_path / 'x.png', size=(300, 256))
    result = Compose(pipeline(IMAGENET, 'test'))(dict(img_path=tmp_path / 'x.png', gt_label=3))
    crop = torch.from_numpy(pixels[16:240, 38:262]).permute(2, 0, 1) / 255
    mean, std = (
        torch.tensor(v)[:, None, None] for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    )
    torch.testing.assert_close(result['inputs'], (crop - mean) / std)
    assert result['targets'] == 3


@pytest.mark.parametrize('config, size', [(IMAGENET, 224), (DIGITS, 64)])
def test_transforms_of_configs(tmp_path, config, size):
    """Training draws anew each time, evaluation never; both end at the model's size."""
    picture(tmp_path / 'x.png', size=(80, 80))
    train, val = (Compose(pipeline(config, split)) for split in ('train', 'val'))
    draws = [
        [transform(dict(img_path=tmp_path / 'x.png'))['inputs'] for _ in range(2)]
        for transform in (train, val)
    ]
    assert all(image.shape == (3, size, size) for pair in draws for image in pair)
    assert not torch.equal(*draws[0])
    assert torch.equal(*draws[1])


def test_recipe_of_imagenet():
    text = repr(TRANSFORMS.build(pipeline(IMAGENET, 'train')[1]))
    for part in (
        'RandomResizedCropAndInterpolation(size=(224, 224), scale=(0.08, 1.0), '
        'ratio=(0.75, 1.3333), interpolation=bicubic)',
        'RandomHorizontalFlip(p=0.5)',
        'RandAugment(n=2,',
    ):
        assert part in text, part
    erasing = TRANSFORMS.build(pipeline(IMAGENET, 'train')[1]).transform.transforms[-1]
    assert (erasing.probability, erasing.max_count, erasing.per_pixel) == (0.25, 1, True)


def test_digits_are_never_mirrored():
    assert 'Flip' not in repr(TRANSFORMS.build(pipeline(DIGITS, 'train')[1]))


def test_unknown_argument():
    with pytest.raises(TypeError, match='input_sise'):
        TRANSFORMS.build(dict(type='TimmTransform', input_sise=32))
