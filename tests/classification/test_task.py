"""classification/task.py: what a classifier's pictures show."""

import numpy as np
import pytest
import torch

from classification.engine.configs.checks import check_data
from classification.engine.errors import DataError
from classification.task import Classification
from classification.visualization.drawing import draw_text

CLASSES = ['a', 'a class with a long name']
PALETTE = [(255, 0, 0), (0, 0, 255)]


@pytest.fixture
def image():
    return np.full((40, 60, 3), 100, dtype=np.uint8)


def test_a_classifier_has_lines_and_the_truth(image):
    sample = dict(scores=torch.tensor([0.2, 0.8]), target=torch.tensor(0))
    plain = np.asarray(draw_text(image, []))
    for draw in (Classification().draw_prediction, Classification().draw_truth):
        assert (np.asarray(draw(image, sample, CLASSES, PALETTE)) != plain).any()


def test_a_folder_of_images_is_checked_before_training(config, own_data, capfd):
    cfg = config('classification')
    check_data(cfg, 'train')
    image = next((own_data / 'imagenet' / 'train').rglob('*.png'))
    image.rename(image.parents[1] / image.name)
    check_data(cfg, 'train')
    assert f'1 x image in no class folder ({image.name})' in ''.join(capfd.readouterr())
    (image.parents[1] / image.name).rename(image)
    image.write_bytes(b'no image')
    with pytest.raises(DataError, match=f'{image.name}: unreadable image'):
        check_data(cfg, 'train')
