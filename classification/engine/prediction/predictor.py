"""Predict images with a trained model.

model = load_predictor('work_dirs/photos')
result = model('a.jpg')
result.draw().save('drawn.png')

Each task's package has it as `load`.
"""

import hashlib
import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, FUNCTIONS, MODELS, init_default_scope

from ...results import Result
from ...visualization.drawing import Colour, class_colours, is_palette
from ..configs.datasets import leaf_datasets
from ..configs.heads import class_counts
from ..configs.loading import load_config
from ..errors import UsageError
from ..running.trained import find_trained
from ..task import task_of
from ..weights.formats import Weights, read_weights
from ..weights.loading import load_weights
from .base import ImagePredictor, Prepared

_PRECISIONS = {'fp32': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}


def load_predictor(
    path: str | os.PathLike, scope: str | None = None, **options: Any
) -> 'Predictor':
    """The trained model of a work dir, or of a checkpoint beside which its config stands.

    Args:
        path: see `trained.find_trained`.
        scope: the `default_scope` that its config must have; None takes any.
        **options: device, precision and tile of `Predictor`.

    Raises:
        UsageError: there is no such model, or one of another task.
        CheckpointError: as `Predictor`.
    """
    config, checkpoint = find_trained(path)
    cfg = load_config(config)
    found = cfg.get('default_scope', 'mmengine')
    if scope not in (None, found):
        raise UsageError(
            f'{path} is a model of the scope {found}, not {scope}: load it with its own package.'
        )
    return Predictor(cfg, checkpoint, **options)


class Predictor(ImagePredictor):
    """A config's model with a checkpoint's weights, which predicts images as in testing.

    Args:
        cfg: as `load_config` gives it.
        checkpoint: path or URL, in any format that `weights` reads; it is read once.
        device: such as 'cpu' or 'cuda:1'; None takes MMEngine's choice.
        precision: 'fp32', or 'bf16' or 'fp16' for mixed precision.
        tile: as `ImagePredictor`.

    A predictor may be called by several threads.

    Attributes:
        classes: names of the classes, as training saved them, else as the config has them.
        palette: an RGB colour for each.
        steps: configs of the transforms that prepare an image.
        transform, collate: these transforms, and what makes a batch of what they give.

    Raises:
        CheckpointError: the file is not usable or does not fit the model.
        UsageError: neither file nor config names the classes, or the precision or the tiles are
            not possible.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str | os.PathLike,
        device: str | None = None,
        precision: str = 'fp32',
        tile: int | None = None,
    ):
        if precision not in _PRECISIONS:
            raise UsageError(f'precision is one of {", ".join(_PRECISIONS)}, not {precision!r}.')
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        self.task = task_of(cfg)
        super().__init__(self.task.formats, tile, self.task.can_merge)
        self.precision = precision
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
        weights = read_weights(checkpoint)
        load_weights(model, weights)
        self.model = model.to(device or get_device()).eval()
        self.classes, self.palette = find_classes(cfg, weights)
        # The pipeline of testing without annotations.
        steps = leaf_datasets(cfg.test_dataloader.dataset)[0]['pipeline']
        self.steps = [step for step in steps if 'Annotations' not in step['type']]
        self.transform = Compose(self.steps)
        collate = cfg.test_dataloader.get('collate_fn')
        self.collate = FUNCTIONS.get(collate['type']) if collate else pseudo_collate
        self._lock = threading.Lock()

    def fingerprint(self) -> str:
        """As `ImagePredictor`."""
        texts = [str(self.model), str(self.steps), self.precision, *self.classes]
        digest = hashlib.sha256('\n'.join(texts).encode())
        for name, values in self.model.state_dict().items():
            digest.update(name.encode())
            digest.update(values.cpu().contiguous().view(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def _prepare(self, picture: np.ndarray, path: str) -> Prepared:
        """As `ImagePredictor`; the pipeline's first step takes the picture as it is."""
        data = self.transform(dict(img_path=path, picture=picture))
        return Prepared(picture, data, tuple(data['inputs'].shape))

    def _predict(self, batch: Sequence[Prepared]) -> list[Result]:
        return [
            self.task.result(prepared.picture, sample, self.classes, self.palette)
            for prepared, sample in zip(batch, self._samples(batch), strict=True)
        ]

    def samples(self, pictures: Sequence[np.ndarray]) -> list[Any]:
        """What the framework's model gives for pictures (H, W, 3) uint8, RGB, in one batch."""
        return self._samples([self._prepare(picture, '') for picture in pictures])

    @torch.no_grad()
    def _samples(self, batch: Sequence[Prepared]) -> list[Any]:
        data = self.collate([prepared.data for prepared in batch])
        dtype = _PRECISIONS[self.precision]
        device = next(self.model.parameters()).device.type
        with (
            self._lock,  # models keep what depends on the input's size
            torch.autocast(device, dtype, enabled=dtype is not None),
        ):
            return self.model.test_step(data)


def find_classes(cfg: Config, weights: Weights) -> tuple[Sequence[str], list[Colour]]:
    """(names, colours) of the classes: as training saved them, else as the config has them.

    Raises:
        UsageError: neither names them, or there are fewer names than the model scores.
    """
    meta, source = weights.meta.get('dataset_meta'), weights.source
    if not isinstance(meta, dict) or 'classes' not in meta:
        dataset = leaf_datasets(cfg.test_dataloader.dataset)[0]
        with DATASETS.switch_scope_and_registry(cfg.get('default_scope')) as registry:
            cls = registry.get(dataset['type'])
        meta = cls._load_metainfo(dataset.get('metainfo'))
        source = cfg.filename
    names = meta.get('classes')
    if names is None or names == ():
        raise UsageError(
            f'Neither {weights.source} nor {cfg.filename} names the classes: '
            'add metainfo=dict(classes=…) to the test dataset.'
        )
    are_names = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
    count = max((number for _, number in class_counts(cfg.get('model') or {})), default=0)
    if not are_names or len(names) < count:
        held = f'{len(names)} names of classes' if are_names else "no list of the classes' names"
        raise UsageError(
            f'{source} has {held}, the model of {cfg.filename} scores {count}: give the config '
            'that the file was trained with.'
        )
    palette = meta.get('palette') if is_palette(meta.get('palette')) else None
    return names, class_colours(dict(classes=names, palette=palette))
