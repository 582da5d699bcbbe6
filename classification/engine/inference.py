"""Predict images with a trained model.

predictor = Predictor(load_config('CONFIG'), 'CHECKPOINT')
result = predictor('a.jpg')
result.draw().save('drawn.png')
"""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, FUNCTIONS, MODELS, init_default_scope
from tqdm import tqdm

from ..results import Result
from ..visualization.drawing import Colour, class_colours
from .dataset_configs import leaf_datasets
from .errors import UsageError
from .loading import load_weights
from .sources import Source
from .task import task_of
from .weights import Weights, read_weights


class Predictor:
    """A config's model with a checkpoint's weights, which predicts images as in testing.

    Args:
        cfg: as `load_config` gives it.
        checkpoint: path or URL, in any format that `weights` reads; it is read once.
        device: such as 'cpu' or 'cuda:1'; None takes MMEngine's choice.

    Attributes:
        classes: names of the classes, as training saved them, else as the config has them.
        palette: an RGB colour for each.

    Raises:
        CheckpointError: the file is not usable or does not fit the model.
        UsageError: neither file nor config names the classes.
    """

    def __init__(self, cfg: Config, checkpoint: str | os.PathLike, device: str | None = None):
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        self.task = task_of(cfg)
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
        weights = read_weights(checkpoint)
        load_weights(model, weights)
        self.model = model.to(device or get_device()).eval()
        self.classes, self.palette = find_classes(cfg, weights)
        # The pipeline of testing without annotations.
        steps = leaf_datasets(cfg.test_dataloader.dataset)[0]['pipeline']
        self._transform = Compose([step for step in steps if 'Annotations' not in step['type']])
        collate = cfg.test_dataloader.get('collate_fn')
        self._collate = FUNCTIONS.get(collate['type']) if collate else pseudo_collate
        self._lock = threading.Lock()

    def predict_pictures(self, pictures: Sequence[np.ndarray]) -> list[Result]:
        """The results of pictures, each (H, W, 3) uint8, RGB, whose inputs have one size."""
        return self._predict([(picture, self._prepare(picture, '')) for picture in pictures])

    def stream(
        self, sources: Iterable[Source], batch_size: int = 1
    ) -> Iterator[tuple[Source, Result | Exception]]:
        """Each image with its result, or with why it has none, in order and one after another.

        Neighbours with inputs of one size share a batch.
        """
        batch: list[tuple[Source, np.ndarray, dict[str, Any]]] = []
        for source in sources:
            try:
                picture = source.read()
                data = self._prepare(picture, source.file_name)
            except Exception as error:  # one odd image never costs the others
                yield from self._try(batch)
                batch = []
                yield source, error
                continue
            if batch and data['inputs'].shape != batch[0][2]['inputs'].shape:
                yield from self._try(batch)
                batch = []
            batch.append((source, picture, data))
            if len(batch) == batch_size:
                yield from self._try(batch)
                batch = []
        yield from self._try(batch)

    def _prepare(self, picture: np.ndarray, path: str) -> dict[str, Any]:
        """The model's input for a picture, which the pipeline's first step takes as it is."""
        return self._transform(dict(img_path=path, picture=picture))

    def _try(
        self, batch: list[tuple[Source, np.ndarray, dict[str, Any]]]
    ) -> Iterator[tuple[Source, Result | Exception]]:
        """Results of a batch; where it fails, of each image alone."""
        try:
            results = self._predict([(picture, data) for _, picture, data in batch])
        except Exception as error:
            if len(batch) == 1:
                yield batch[0][0], error
            else:
                for item in batch:
                    yield from self._try([item])
            return
        for (source, _, _), result in zip(batch, results, strict=True):
            yield source, result

    @torch.no_grad()
    def _predict(self, batch: list[tuple[np.ndarray, dict[str, Any]]]) -> list[Result]:
        if not batch:
            return []
        data = self._collate([data for _, data in batch])
        with self._lock:  # models keep what depends on the input's size
            samples = self.model.test_step(data)
        return [
            self.task.result(picture, sample, self.classes, self.palette)
            for (picture, _), sample in zip(batch, samples, strict=True)
        ]


def find_classes(cfg: Config, weights: Weights) -> tuple[Sequence[str], list[Colour]]:
    """(names, colours) of the classes: as training saved them, else as the config has them.

    Raises:
        UsageError: neither names them.
    """
    meta = weights.meta.get('dataset_meta') or {}
    if 'classes' not in meta:
        dataset = leaf_datasets(cfg.test_dataloader.dataset)[0]
        meta = DATASETS.get(dataset['type'])._load_metainfo(dataset.get('metainfo'))
    if not meta.get('classes'):
        raise UsageError(
            f'Neither {weights.source} nor {cfg.filename} names the classes: '
            'add metainfo=dict(classes=…) to the test dataset.'
        )
    return meta['classes'], class_colours(meta)


def predict_files(
    predictor: Predictor,
    sources: Sequence[Source],
    out: str | os.PathLike,
    batch_size: int = 1,
    score_thr: float = 0.3,
) -> dict[str, Exception]:
    """Predict images and write overlays and results into the folder `out` as they come.

    Args:
        predictor: a Predictor.
        sources: the images, with their names in `out`.
        out: the folder, new or empty.
        batch_size: as `Predictor.stream`.
        score_thr: least score of the instances in the overlays.

    Returns:
        file name -> why, of the images that could not be predicted or written.

    Raises:
        UsageError: there are files in `out`.
    """
    out, failed = Path(out), {}
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise UsageError(f'{out} is not empty: choose another folder, or empty it.')
    writer = predictor.task.results_writer(out, predictor.classes)
    try:
        with tqdm(total=len(sources), desc='predict', unit='image') as bar:
            for source, outcome in predictor.stream(sources, batch_size):
                try:
                    if isinstance(outcome, Exception):
                        raise outcome
                    writer.add(source.file_name, source.name, outcome)
                    suffix = '.png' if source.file_name.lower().endswith('.png') else '.jpg'
                    file = out / 'overlays' / f'{source.name}{suffix}'
                    file.parent.mkdir(parents=True, exist_ok=True)
                    outcome.draw(score_thr).save(file)
                except Exception as error:
                    failed[source.file_name] = error
                bar.update()
    finally:
        writer.finish()  # after an interruption too
    return failed
