"""segmentation/checks.py: what is about to be trained on, as mmseg takes it."""

import numpy as np
import pytest
from PIL import Image

from classification.engine.configs.checks import check_data
from classification.engine.configs.loading import load_config
from classification.engine.errors import DataError


@pytest.fixture
def maps(own_data):
    """The files of the training maps."""
    return sorted((own_data / 'ade' / 'annotations' / 'training').iterdir())


def rewrite(file, change):
    """Save what a function makes of a map's values."""
    change = change(np.array(Image.open(file)))
    (change if isinstance(change, Image.Image) else Image.fromarray(change)).save(file)


def test_right_data_pass_without_a_word(config, capfd):
    check_data(config('segmentation'), 'train', 'val')
    out, err = capfd.readouterr()
    assert 'map' not in out + err


@pytest.mark.parametrize(
    'change, kind',
    [
        (lambda values: values[:-1], 'map of another size'),
        (lambda values: values[:1, :1], 'map of another size'),
        (lambda values: np.stack([values] * 3, axis=2), 'map of colours where indexes are meant'),
        (lambda values: np.stack([values] * 4, axis=2), 'map of colours where indexes are meant'),
        (lambda values: Image.fromarray(values).convert('LA'), 'map of colours where indexes'),
        (lambda values: values + 12, 'map with an unknown colour or value'),
        (lambda values: values.astype(np.uint16) + 256, 'map with an unknown colour or value'),
    ],
)
def test_a_map_that_does_not_fit_is_an_error(change, kind, maps, config):
    rewrite(maps[3], change)
    with pytest.raises(DataError, match=f'{maps[3].name}: {kind}.*check_dataset.py'):
        check_data(config('segmentation'), 'train')


def test_masks_of_0_and_255_are_an_error(maps, config):
    for file in maps:
        rewrite(file, lambda values: (values > 1).astype(np.uint8) * 255)
    options = {f'{split}_dataloader.dataset.reduce_zero_label': False for split in ('train', 'val')}
    with pytest.raises(DataError, match='maps of one class alone .* need a legend or 1 instead'):
        check_data(config('segmentation', **options), 'train')


def test_a_class_without_a_pixel_is_said(maps, config, capfd):
    for file in maps:
        rewrite(file, lambda values: np.where(values == 5, 1, values).astype(np.uint8))
    check_data(config('segmentation'), 'train')
    assert 'class without an example' in ''.join(capfd.readouterr())


@pytest.mark.parametrize(
    'suffix, fatal, kind',
    [('.jpg', True, 'nothing to train on'), ('.png', False, '1 x image of another suffix')],
)
def test_images_of_another_suffix_are_not_used(suffix, fatal, kind, config, own_data, capfd):
    images = own_data / 'ade' / 'images' / 'training'
    path = next(images.iterdir())
    Image.open(path).save(path.with_suffix('.bmp'))
    cfg = config('segmentation', **{'train_dataloader.dataset.img_suffix': suffix})
    if fatal:
        with pytest.raises(DataError, match=kind):
            check_data(cfg, 'train')
    else:
        check_data(cfg, 'train')
        assert kind in ''.join(capfd.readouterr())


def test_every_image_has_its_map(maps, config):
    maps[0].unlink()
    with pytest.raises(DataError, match=f'{maps[0].name}: image without a map'):
        check_data(config('segmentation'), 'train')


def test_a_map_without_an_image_is_said(maps, config, capfd):
    maps[0].with_name('spare.png').write_bytes(maps[0].read_bytes())
    check_data(config('segmentation'), 'train')
    assert '1 x map without an image (spare.png)' in ''.join(capfd.readouterr())


def test_every_head_has_the_classes_of_the_data(config):
    cfg = config('segmentation', **{'model.auxiliary_head.num_classes': 150})
    with pytest.raises(DataError, match='model.auxiliary_head.num_classes is 150, .* names 11 '):
        check_data(cfg, 'train')


def test_a_config_with_a_base_of_mmseg_is_checked(here):
    cfg = load_config('configs/quickstart/upernet_mila-digits_digits.py', work_dir=here / 'w')
    check_data(cfg, 'train', 'val')
