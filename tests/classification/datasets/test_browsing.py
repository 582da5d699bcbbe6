"""What is browsed is what a training gets, and what the truth is of."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.hooks import Hook
from PIL import Image

from classification.datasets.browsing import browse
from classification.datasets.normalisation import pixels_of
from classification.engine.errors import UsageError
from classification.engine.running.runner import Runner
from classification.visualization.drawing import class_colours

PLAIN = [
    dict(type='ReadImage'),
    dict(type='TimmTransform', input_size=32, crop_pct=1.0, interpolation='bilinear'),
]


class Caught(Exception):
    """The training has reached its first image."""


class Catch(Hook):
    """Ends a training at the backbone's first input."""

    priority = 'LOWEST'

    def before_train(self, runner):
        runner.model.backbone.register_forward_pre_hook(self.catch)

    def catch(self, module, args):
        raise Caught(args[0])


@pytest.mark.parametrize(
    'task',
    [
        *('classification', 'recipe'),
        *(pytest.param(task, marks=pytest.mark.slow) for task in ('detection', 'segmentation')),
    ],
)
def test_the_first_batch_is_the_trainings(task, config):
    """Augmentations and mixup included: the pixels that are drawn on."""
    cfg = config(task)
    found = browse(cfg)
    drawn = [np.asarray(next(found)) for _ in range(2)]
    runner = Runner.from_cfg(config(task))
    runner.register_hook(Catch())
    with pytest.raises(Caught) as caught:
        runner.train()
    (images,) = caught.value.args
    dataset = runner.train_dataloader.dataset
    pixels = pixels_of(images, runner.model.data_preprocessor, dataset.pipeline.transforms)
    for one, given in zip(drawn, pixels, strict=False):
        repeat = one.shape[0] // given.shape[0]
        assert one.shape == (repeat * given.shape[0], repeat * given.shape[1], 3)
        plain = np.asarray(Image.fromarray(given).resize(one.shape[1::-1]))
        # What is not drawn on, or has the colour of the background's class.
        tinted = (plain.astype(int) + class_colours(dataset.metainfo)[0]) // 2
        same = (one == plain).all(axis=2) | (one == tinted).all(axis=2)
        assert same.mean() > 0.3


@pytest.mark.parametrize('split', ['train', 'val'])
def test_plain_images_are_those_of_the_files(split, config):
    cfg = config('classification')
    cfg[f'{split}_dataloader'].dataset.pipeline = PLAIN
    cfg[f'{split}_dataloader'].sampler.shuffle = False
    cfg[f'{split}_dataloader'].dataset.indices = None
    found = np.asarray(next(browse(cfg, split)))
    root = config('classification')[f'{split}_dataloader'].dataset.data_root
    file = sorted(Path(root).rglob('*.png'))[0]
    expected = np.asarray(Image.open(file).convert('RGB').resize((320, 320)))
    assert (found[60:] == expected[60:]).all()  # below the line of text


def test_objects_are_drawn_where_they_are(config):
    """Of val, whose truth is that of the files."""
    cfg = config('detection')
    drawn = [np.asarray(one) for one in browse(cfg, 'val', 'safe')]
    assert len(drawn) == 4 and {one.shape for one in drawn} == {(320, 320, 3)}


def test_what_is_not_there_is_refused(config):
    cfg = config('classification')
    cfg.test_dataloader = None
    with pytest.raises(UsageError, match='has no test_dataloader'):
        next(browse(cfg, 'test'))
