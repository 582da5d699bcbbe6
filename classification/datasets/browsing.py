"""What a config's pipeline feeds to the model, as pictures with the truth drawn on them."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

from ..engine.errors import UsageError
from ..engine.running.runner import Runner
from ..engine.running.samples import seed_iteration
from ..engine.task import task_of
from ..visualization.colours import choose_palette
from ..visualization.drawing import class_colours
from .normalisation import pixels_of

SPLITS = ('train', 'val', 'test')


def browse(cfg: Config, split: str = 'train', palette: str = 'dataset') -> Iterator[Image.Image]:
    """The images of a split with their truth, batch by batch.

    Those of training are what the first epoch of a run of this config on one process gives to the
    backbone, seeds included: after the pipeline, the preprocessor of the model and mixup, with the
    normalisation undone. Those of the other splits are as they are read, since their truth is
    compared with predictions for the image as it is.

    Args:
        cfg: as `load_config` gives it.
        split: one of SPLITS.
        palette: of `colours.PALETTES`.

    Raises:
        UsageError: the config has no such split, or no names of classes.
        DataError: an image or annotation cannot be used.
    """
    config = cfg.get(f'{split}_dataloader')
    if not config:
        raise UsageError(f'{cfg.filename} has no {split}_dataloader.')
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    seed = cfg.randomness.seed
    loader = Runner.build_dataloader(dict(config, num_workers=0, persistent_workers=False), seed)
    dataset: Any = loader.dataset  # a ReproducibleDataset
    task = task_of(cfg)
    classes = dataset.metainfo.get('classes')
    if classes is None:
        raise UsageError(f'The dataset of {cfg.filename} names no classes: add metainfo to it.')
    colours = choose_palette(palette, class_colours(dataset.metainfo))
    if split != 'train':
        for index in range(len(dataset)):
            picture = task.read_picture(dataset.get_data_info(index))
            yield task.draw_truth(picture, _sample(dataset[index]), classes, colours)
        return
    preprocessor: Any = MODELS.build(
        cfg.model.get('data_preprocessor') or dict(type='BaseDataPreprocessor')
    )
    for iteration, batch in zip(count(), loader, strict=False):
        seed_iteration(seed, 0, iteration)
        images, samples = task.training_inputs(cfg, preprocessor(batch, True))
        pixels = pixels_of(images, preprocessor, _transforms(dataset))
        for one, sample in zip(pixels, samples, strict=True):
            yield task.draw_truth(one, sample, classes, colours)


def _sample(data: Any) -> Any:
    """What `draw_truth` takes, of what a dataset gives for an image."""
    return (
        data['data_samples']
        if 'data_samples' in data
        else dict(target=torch.as_tensor(data['targets']))
    )


def _transforms(dataset: Any) -> list[Any]:
    """Those of a dataset, which may be wrapped by others."""
    while not hasattr(dataset, 'pipeline'):
        dataset = dataset.dataset
    return dataset.pipeline.transforms
