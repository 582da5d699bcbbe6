"""Predict images with a trained model.

model = load_predictor('work_dirs/photos')
result = model('a.jpg')
result.draw().save('drawn.png')

Each task's package has it as `load`.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, FUNCTIONS, MODELS, init_default_scope
from tqdm import tqdm

from ...results import Result
from ...results.tiles import cut_tiles, merge
from ...visualization.drawing import Colour, class_colours
from ..configs.datasets import leaf_datasets
from ..configs.heads import class_counts
from ..configs.loading import load_config
from ..errors import UsageError
from ..machine.faults import machine_faults
from ..machine.locks import LOCK, locked
from ..running.trained import find_trained
from ..task import ResultsWriter, task_of
from ..weights.formats import Weights, read_weights
from ..weights.loading import load_weights
from .sources import Given, Source

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


class Predictor:
    """A config's model with a checkpoint's weights, which predicts images as in testing.

    Args:
        cfg: as `load_config` gives it.
        checkpoint: path or URL, in any format that `weights` reads; it is read once.
        device: such as 'cpu' or 'cuda:1'; None takes MMEngine's choice.
        precision: 'fp32', or 'bf16' or 'fp16' for mixed precision.
        tile: side in pixels of the overlapping tiles in which larger images are predicted, whose
            results are merged; None predicts every image as a whole.

    A predictor may be called by several threads.

    Attributes:
        classes: names of the classes, as training saved them, else as the config has them.
        palette: an RGB colour for each.

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
        if tile is not None and (tile < 2 or not self.task.can_merge):
            raise UsageError(
                f'Tiles of {tile} pixels are not possible: give 2 or more, to a model that says '
                'where things are.'
            )
        self.tile, self.precision = tile, precision
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

    def __call__(self, images: Any, batch_size: int = 1) -> Any:
        """The result of an image, or the list of those of a list of images.

        Args:
            images: what `images.to_image` takes, or a list of it.
            batch_size: as `stream`.

        Raises:
            DataError: an image cannot be read.
        """
        several = isinstance(images, (list, tuple))
        sources = [
            Given('the image', Path('image'), image) for image in (images if several else [images])
        ]
        results = []
        for _, outcome in self.stream(sources, batch_size):
            if isinstance(outcome, Exception):
                raise outcome
            results.append(outcome)
        return results if several else results[0]

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
                if self.tile and max(picture.shape[:2]) > self.tile:
                    yield from self._try(batch)
                    batch = []
                    yield source, self._predict_tiles(picture, batch_size)
                    continue
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

    def _predict_tiles(self, picture: np.ndarray, batch_size: int) -> Result:
        """The merged results of a picture's overlapping tiles, which all have one size."""
        height, width = picture.shape[:2]
        tiles = cut_tiles(height, width, cast(int, self.tile))
        parts = []
        for start in range(0, len(tiles), batch_size):
            cut = [tile.of(picture) for tile in tiles[start : start + batch_size]]
            parts += self._predict([(part, self._prepare(part, '')) for part in cut])
        return merge(picture, [*zip(tiles, parts, strict=True)])

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
        dtype = _PRECISIONS[self.precision]
        device = next(self.model.parameters()).device.type
        with (
            self._lock,  # models keep what depends on the input's size
            torch.autocast(device, dtype, enabled=dtype is not None),
        ):
            samples = self.model.test_step(data)
        return [
            self.task.result(picture, sample, self.classes, self.palette)
            for (picture, _), sample in zip(batch, samples, strict=True)
        ]


def find_classes(cfg: Config, weights: Weights) -> tuple[Sequence[str], list[Colour]]:
    """(names, colours) of the classes: as training saved them, else as the config has them.

    Raises:
        UsageError: neither names them, or there are fewer names than the model scores.
    """
    meta, source = weights.meta.get('dataset_meta'), weights.source
    if not isinstance(meta, dict) or 'classes' not in meta:
        dataset = leaf_datasets(cfg.test_dataloader.dataset)[0]
        meta = DATASETS.get(dataset['type'])._load_metainfo(dataset.get('metainfo'))
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
    palette = meta.get('palette') if _is_palette(meta.get('palette')) else None
    return names, class_colours(dict(classes=names, palette=palette))


def _is_palette(palette: Any) -> bool:
    return isinstance(palette, (list, tuple)) and all(
        isinstance(colour, (list, tuple))
        and len(colour) == 3
        and all(isinstance(part, int) and 0 <= part < 256 for part in colour)
        for colour in palette
    )


class Predicted(NamedTuple):
    """What became of the images of `predict_files`.

    Attributes:
        done: how many have results.
        bare: how many of these have overlays without anything drawn.
        failed: file name -> why it could not be predicted or written.
    """

    done: int
    bare: int
    failed: dict[str, Exception]


def predict_files(
    predictor: Predictor,
    sources: Iterable[Source],
    out: str | os.PathLike,
    batch_size: int = 1,
    score_thr: float = 0.3,
    formats: Sequence[str] = (),
    count: int | None = None,
) -> Predicted:
    """Predict images and write overlays and results into the folder `out` as they come.

    Args:
        predictor: a Predictor.
        sources: the images, with their names in `out`.
        out: the folder, new or empty.
        batch_size: as `Predictor.stream`.
        score_thr: least score of the instances in the overlays, and in files without scores.
        formats: of the task's; by default its first.
        count: how many images there are, where that is known.

    Raises:
        UsageError: there are files in `out`, another process writes there, or the task has no such
            format.
    """
    out, done, bare, kinds = Path(out), 0, 0, predictor.task.formats
    failed: dict[str, Exception] = {}
    if unknown := sorted(set(formats) - set(kinds)):
        raise UsageError(f'The formats of this task are {", ".join(kinds)}, not {unknown[0]}.')
    with machine_faults(out), locked(out):
        if any(path.name != LOCK for path in out.iterdir()):
            raise UsageError(f'{out} is not empty: choose another folder, or empty it.')
        writers: list[ResultsWriter] = [
            kinds[name](out, predictor.classes, score_thr) for name in formats or [*kinds][:1]
        ]
        try:
            with tqdm(total=count, desc='predict', unit='image') as bar:
                for source, outcome in predictor.stream(sources, batch_size):
                    try:
                        if isinstance(outcome, Exception):
                            raise outcome
                        for writer in writers:
                            writer.add(source.file_name, source.name, outcome)
                        suffix = '.png' if source.file_name.lower().endswith('.png') else '.jpg'
                        file = out / 'overlays' / f'{source.name}{suffix}'
                        file.parent.mkdir(parents=True, exist_ok=True)
                        outcome.draw(score_thr).save(file)
                        done += 1
                        bare += outcome.is_bare(score_thr)
                    except Exception as error:
                        failed[source.file_name] = error
                    bar.update()
        finally:
            for writer in writers:  # after an interruption too
                writer.finish()
    return Predicted(done, bare, failed)
