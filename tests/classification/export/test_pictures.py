"""export/pictures.py: real images, wherever some are found."""

import numpy as np
import pytest
from mmengine.registry import init_default_scope

from classification.engine.errors import DataError, UsageError
from classification.engine.images import read_image
from classification.engine.task import task_of
from classification.export.pictures import find_pictures
from tests.helpers import picture

TASKS = ('classification', 'detection', 'segmentation')


@pytest.fixture
def config(config):
    """As there, with the config's default scope in force."""

    def load(task):
        cfg = config(task)
        init_default_scope(cfg.default_scope)
        return cfg

    return load


@pytest.mark.parametrize('task', TASKS)
def test_the_test_dataset(task, config):
    cfg = config(task)
    found, source = find_pictures(cfg, task_of(cfg), [])
    assert source == 'the test dataset' and len(found) == 3
    side = 32 if task == 'classification' else 64
    assert all(image.shape == (side, side, 3) and image.dtype == np.uint8 for image in found)
    assert not (found[0] == found[1]).all()


@pytest.mark.parametrize('task', TASKS)
def test_a_photo_where_there_is_no_dataset(task, config, here):
    cfg = config(task)
    (here / 'data').unlink()
    (photo,), source = find_pictures(cfg, task_of(cfg), [])
    assert source.startswith("Matplotlib's sample photo")
    assert photo.shape == (600, 512, 3) and photo.dtype == np.uint8 and photo.std() > 20


def test_given_ones(config, here):
    cfg = config('classification')
    given = [picture(here / f'own/{i}.png', seed=i) for i in range(4)]
    found, source = find_pictures(cfg, task_of(cfg), ['own'])
    assert source == 'own' and len(found) == 3
    for one, other in zip(found, given, strict=False):
        assert (one == other).all()
    single = find_pictures(cfg, task_of(cfg), ['own/2.png', 'own/0.png'])[0]
    assert (single[0] == read_image(here / 'own/2.png')).all() and len(single) == 2


def test_given_ones_that_cannot_be_read(config, here):
    cfg = config('classification')
    with pytest.raises(UsageError, match='nowhere does not exist'):
        find_pictures(cfg, task_of(cfg), ['nowhere'])
    (here / 'own.png').write_bytes(b'garbage')
    with pytest.raises(DataError, match='own.png'):
        find_pictures(cfg, task_of(cfg), ['own.png'])
