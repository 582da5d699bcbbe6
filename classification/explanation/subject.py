"""A model to be explained, and what it sees of a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import FUNCTIONS, MODELS, init_default_scope
from torch import Tensor, nn

from ..datasets.normalisation import pixels_of
from ..engine.configs.datasets import leaf_datasets
from ..engine.configs.loading import load_config
from ..engine.errors import UsageError
from ..engine.prediction.predictor import find_classes
from ..engine.running.trained import find_trained
from ..engine.task import Task, task_of
from ..engine.weights.formats import read_weights
from ..engine.weights.loading import load_weights
from ..models.factory import any_size

_MARK = 1 / 50  # side of the mark that a point is followed by, of the picture's shorter side


@dataclass
class Seen:
    """A picture as a model gets it.

    Attributes:
        inputs: (1, 3, H, W), as the backbone takes them.
        sample: the framework's data sample, None of a classifier.
        pixels: (H, W, 3) uint8, RGB: the same with the normalisation undone.
    """

    inputs: Tensor
    sample: Any
    pixels: np.ndarray


@dataclass
class Subject:
    """A model that is explained.

    Attributes:
        model: in evaluation mode.
        task: what it does.
        names: of the classes, None where the weights are random.
        title: what pictures call it.
        transform, collate: the pipeline of testing without the truth, and what makes its batches.
    """

    model: nn.Module
    task: Task
    names: Sequence[str] | None
    title: str
    transform: Compose
    collate: Callable[[list[Any]], Any]

    def see(self, picture: np.ndarray) -> Seen:
        """A picture (H, W, 3) uint8, RGB, after the pipeline of testing."""
        data = self.collate([self.transform(dict(img_path='', picture=picture))])
        preprocessor: Any = self.model.data_preprocessor
        data = preprocessor(data, False)
        inputs = data['inputs']
        samples = data.get('data_samples')
        pixels = pixels_of(inputs, preprocessor, self.transform.transforms)[0]
        return Seen(inputs, samples and samples[0], pixels)

    def follow(self, picture: np.ndarray, point: tuple[int, int]) -> tuple[int, int]:
        """Where a pixel (x, y) of a picture is in what the model sees of it.

        Raises:
            UsageError: it is not in the picture, or not in what the model sees of it.
        """
        (height, width), (x, y) = picture.shape[:2], point
        if not (0 <= x < width and 0 <= y < height):
            raise UsageError(
                f'The point ({x}, {y}) is not in the image of {width}x{height} pixels.'
            )
        # Whatever the pipeline does to a picture, it does to one that marks the point.
        reach = max(1, round(_MARK * min(height, width) / 2))
        black = np.zeros_like(picture)
        marked = black.copy()
        marked[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = 255
        # Without what is padded, which is not black.
        found = self.see(marked).pixels.astype(float) - self.see(black).pixels
        found = found.mean(axis=2).clip(0)
        if found.max() < 64:
            raise UsageError(
                f'The point ({x}, {y}) is cropped away in testing: choose one nearer to the middle.'
            )
        rows, columns = np.indices(found.shape)
        share = found / found.sum()
        return round(float((columns * share).sum())), round(float((rows * share).sum()))


def read_subject(cfg: Config, checkpoint: Path | None, title: str, device: str) -> Subject:
    """The model of a config.

    Args:
        cfg: as `load_config` gives it.
        checkpoint: path of its weights, or None: they stay random, of seed 0.
        title: what pictures call it, beside the checkpoint.
        device: such as 'cpu'.

    Raises:
        CheckpointError: the checkpoint does not fit the model.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    torch.manual_seed(0)
    model = revert_sync_batchnorm(MODELS.build(_without_weights(cfg.model)))
    names = None
    if checkpoint is not None:
        weights = read_weights(checkpoint)
        load_weights(model, weights)
        names = find_classes(cfg, weights)[0]
    test = cfg.test_dataloader
    steps = leaf_datasets(test.dataset)[0]['pipeline']
    collate = test.get('collate_fn')
    return Subject(
        model.to(device).eval(),
        task_of(cfg),
        names,
        f'{title}, {checkpoint.name if checkpoint else "random weights"}',
        Compose([step for step in steps if 'Annotations' not in step['type']]),
        FUNCTIONS.get(collate['type']) if collate else pseudo_collate,
    )


def open_subject(name: str, device: str = 'cpu', size: int = 224) -> Subject:
    """The model that a command names.

    Args:
        name: a work dir, or a checkpoint in one; a config (*.py) or the name of a timm model,
            either with =CHECKPOINT behind it, else with random weights.
        device: such as 'cpu'.
        size: side of the images of a timm model, in pixels.

    Raises:
        UsageError: there is no such model.
        CheckpointError: the checkpoint does not fit it.
    """
    name, _, file = name.partition('=')
    checkpoint = Path(file) if file else None
    if name.endswith('.py'):
        return read_subject(load_config(name), checkpoint, Path(name).stem, device)
    if Path(name).exists():
        config, checkpoint = find_trained(name)
        return read_subject(load_config(config), checkpoint, checkpoint.parent.name, device)
    try:
        return read_subject(_timm_config(name, size), checkpoint, name, device)
    except ValueError as error:
        raise UsageError(f'{name} is neither a file, nor a folder, nor a model: {error}') from None


def _timm_config(name: str, size: int) -> Config:
    """A classifier of 1000 classes, tested on images of one size."""
    steps = [dict(type='ReadImage'), dict(type='TimmTransform', input_size=size, crop_pct=1.0)]
    return Config(
        dict(
            default_scope='mmengine',
            model=dict(type='ImageClassifier', model=dict(name=name, **any_size(name))),
            test_dataloader=dict(
                dataset=dict(type='ImageFolder', pipeline=steps),
                collate_fn=dict(type='default_collate'),
            ),
        )
    )


def _without_weights(model: Config) -> Config:
    """The config of a model that reads no file when it is built."""
    model = model.copy()
    model.pop('init_cfg', None)
    (model.get('backbone') or {}).pop('init_cfg', None)
    return model
