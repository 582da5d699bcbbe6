"""Predict images with a trained model.

predictor = Predictor(load_config('CONFIG'), 'CHECKPOINT')
for prediction in predictor(['a.jpg', 'b.jpg']):
    predictor.draw(prediction).save(...)
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, FUNCTIONS, MODELS, init_default_scope
from PIL.Image import Image
from tqdm import tqdm

from ..visualization.drawing import Colour, class_colours
from .dataset_configs import leaf_datasets
from .errors import DataError, UsageError
from .images import check_image, read_picture
from .loading import load_weights
from .task import task_of
from .weights import Weights, read_weights

_EXIF_ORIENTATION = 0x0112


@dataclass
class Prediction:
    """What a model saw in an image.

    Attributes:
        path: the image file.
        sample: what the model's `test_step` gave for it, None for a file that cannot be read.
        picture: (H, W, 3) uint8, RGB, the image as a viewer shows it; None as above.
    """

    path: Path
    sample: Any = None
    picture: np.ndarray | None = None


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
        # The pipeline of testing without annotations; the first step is the one that loads.
        steps = leaf_datasets(cfg.test_dataloader.dataset)[0]['pipeline']
        steps = [step for step in steps if 'Annotations' not in step['type']]
        self._load, self._transform = Compose(steps[:1]), Compose(steps[1:])
        collate = cfg.test_dataloader.get('collate_fn')
        self._collate = FUNCTIONS.get(collate['type']) if collate else pseudo_collate

    @torch.no_grad()
    def __call__(
        self, paths: Iterable[str | os.PathLike], batch_size: int = 1
    ) -> Iterator[Prediction]:
        """Predict images one after another; neighbours with inputs of one size share a batch.

        An image that cannot be read comes without a sample, before those that wait for a batch.
        """
        batch: list[tuple[Path, dict[str, Any], np.ndarray]] = []
        for path in map(Path, paths):
            loaded = self._read(path)
            if loaded is None:
                yield Prediction(path)
                continue
            data, picture = loaded
            if batch and data['inputs'].shape != batch[0][1]['inputs'].shape:
                yield from self._predict(batch)
                batch = []
            batch.append((path, data, picture))
            if len(batch) == batch_size:
                yield from self._predict(batch)
                batch = []
        if batch:
            yield from self._predict(batch)

    def draw(self, prediction: Prediction, score_thr: float = 0.3) -> Image:
        """A prediction over its image; instances with a score below `score_thr` are left out."""
        picture = cast(np.ndarray, prediction.picture)  # there is one wherever there is a sample
        return self.task.draw_prediction(
            picture, prediction.sample, self.classes, self.palette, score_thr
        )

    def _read(self, path: Path) -> tuple[dict[str, Any], np.ndarray] | None:
        """(input of the model, picture) of an image, None where the file cannot be read."""
        try:
            results = self._load(dict(img_path=str(path)))
            picture = _as_picture(results.get('img'))
            return self._transform(results), read_picture(path) if picture is None else picture
        except Exception:
            try:
                check_image(path)
            except DataError:
                return None
            raise

    def _predict(self, batch: list[tuple[Path, dict[str, Any], np.ndarray]]) -> list[Prediction]:
        samples = self.model.test_step(self._collate([data for _, data, _ in batch]))
        return [
            Prediction(path, sample, picture)
            for (path, _, picture), sample in zip(batch, samples, strict=True)
        ]


def _as_picture(image: Any) -> np.ndarray | None:
    """What a pipeline loaded as (H, W, 3) uint8, RGB; None where it is not what a viewer shows.

    mmcv loads BGR arrays, turned as the EXIF data say; PIL images are RGB and not turned.
    """
    if isinstance(image, np.ndarray):
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
            return image[..., ::-1].copy()
    elif hasattr(image, 'getexif') and image.getexif().get(_EXIF_ORIENTATION, 1) == 1:
        return np.asarray(image.convert('RGB'))
    return None


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
    count = max(_numbers_of_classes(cfg.get('model')), default=0)
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


def _numbers_of_classes(model: Any) -> Iterator[int]:
    """Every `num_classes` in a config of a model."""
    if isinstance(model, dict):
        for key, value in model.items():
            if key == 'num_classes' and isinstance(value, int):
                yield value
            yield from _numbers_of_classes(value)
    elif isinstance(model, (list, tuple)):
        for part in model:
            yield from _numbers_of_classes(part)


def predict_files(
    predictor: Predictor,
    names: Mapping[Path, Path],
    out: str | os.PathLike,
    batch_size: int = 1,
    score_thr: float = 0.3,
) -> list[Path]:
    """Predict images and write overlays and results into the folder `out`.

    Args:
        predictor: a Predictor.
        names: image path -> its name in `out`, see `images.find_images`.
        out: the folder.
        batch_size, score_thr: as `Predictor`.

    Returns:
        The images that could not be read.
    """
    out, unreadable = Path(out), []
    out.mkdir(parents=True, exist_ok=True)
    writer = predictor.task.results_writer(out, predictor.classes, predictor.palette)
    with tqdm(total=len(names), desc='predict', unit='image') as bar:
        for prediction in predictor(names, batch_size):
            path = prediction.path
            if prediction.sample is None:
                unreadable.append(path)
                continue
            writer.add(path, names[path], prediction.sample)
            suffix = '.png' if path.suffix.lower() == '.png' else '.jpg'
            file = out / 'overlays' / f'{names[path]}{suffix}'
            file.parent.mkdir(parents=True, exist_ok=True)
            predictor.draw(prediction, score_thr).save(file)
            bar.update()
    if len(unreadable) < len(names):
        writer.finish()
    return unreadable
