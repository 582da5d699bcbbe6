"""Classification's answers to the engine."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from PIL.Image import Image
from torch import nn

from .classifier import ImageClassifier
from .datasets.transforms import ReadImage
from .engine.dataset_configs import leaf_datasets
from .engine.task import Task
from .engine.weights import Weights
from .hooks import AveragedScoreHook
from .visualization.drawing import Colour, draw_text

_BEST = 5  # classes that are shown and written per image


class Classification(Task):
    """Classifiers, whose predictions are dicts of `scores` (num_classes,)."""

    count_shape = (224, 224)

    def prepare_evaluation(
        self, cfg: Config, input_size: int | None = None, crop_pct: float | None = None
    ) -> None:
        """As Task; and the training's own EMA is left out: a file's sets are what is evaluated."""
        changes = dict(input_size=input_size, crop_pct=crop_pct)
        changes = {name: value for name, value in changes.items() if value is not None}
        if changes and not _is_classifier(cfg):
            super().prepare_evaluation(cfg, input_size, crop_pct)
        for dataset in leaf_datasets(cfg.test_dataloader.dataset) if changes else ():
            for step in dataset.pipeline:
                if step.type == 'TimmTransform':
                    step.update(changes)
        hooks = cfg.get('default_hooks', {})
        for name in [n for n, hook in hooks.items() if hook and hook['type'] in ('EMA', 'MESA')]:
            hooks[name] = None
        cfg.custom_hooks = [
            hook for hook in cfg.get('custom_hooks', []) if hook['type'] not in ('EMA', 'MESA')
        ]

    def evaluation_hooks(self, cfg: Config, weights: Weights) -> list[Hook]:
        """Of a file with EMA weights and weights in training both are evaluated, in one pass."""
        return [AveragedScoreHook(weights)] if weights.has_both and _is_classifier(cfg) else []

    def read_picture(self, info: Mapping[str, Any]) -> np.ndarray:
        """As Task's, from an archive too."""
        if 'archive' in info:
            return np.asarray(ReadImage()(dict(info))['img'])
        return super().read_picture(info)

    def draw_prediction(
        self,
        image: np.ndarray,
        sample: Any,
        classes: Sequence[str],
        palette: Sequence[Colour],
        score_thr: float = 0.3,
    ) -> Image:
        """The best classes with their scores, whatever `score_thr`."""
        return draw_text(image, [f'{name}  {score:.3f}' for name, score in _best(sample, classes)])

    def draw_truth(
        self,
        image: np.ndarray,
        sample: Any,
        classes: Sequence[str],
        palette: Sequence[Colour],
    ) -> Image:
        """The class, or the image alone where the sample has none."""
        lines = [f'truth: {classes[int(sample["target"])]}'] if 'target' in sample else []
        return draw_text(image, lines)

    def results_writer(
        self, out: Path, classes: Sequence[str], palette: Sequence[Colour]
    ) -> 'BestClasses':
        return BestClasses(out, classes)

    def noise_batch(
        self,
        cfg: Config,
        model: nn.Module,
        batch: int,
        size: tuple[int, int],
        training: bool = False,
    ) -> list:
        """[images (B, 3, H, W), classes (B,)]."""
        classes = cast(ImageClassifier, model).num_classes
        return [torch.randn(batch, 3, *size), torch.arange(batch) % classes]


class BestClasses:
    """results.json: the best classes of each image.

    Args:
        out: folder of the file.
        classes: their names.
    """

    def __init__(self, out: Path, classes: Sequence[str]):
        self.out = out
        self.classes = classes
        self.results: list[dict[str, Any]] = []

    def add(self, path: Path, name: Path, sample: dict[str, Any]) -> None:
        """Take the scores of an image."""
        best = [
            {'class': name, 'score': round(score, 5)} for name, score in _best(sample, self.classes)
        ]
        self.results.append({'file_name': str(path), 'best': best})

    def finish(self) -> None:
        """Write the file."""
        (self.out / 'results.json').write_text(json.dumps(self.results) + '\n')


def _best(sample: dict[str, Any], classes: Sequence[str]) -> list[tuple[str, float]]:
    """(name, score) of the best classes, the best first."""
    scores, labels = sample['scores'].topk(min(_BEST, len(classes)))
    pairs = zip(labels.tolist(), scores.tolist(), strict=True)
    return [(classes[label], score) for label, score in pairs]


def _is_classifier(cfg: Any) -> bool:
    return cfg.get('model', {}).get('type') == 'ImageClassifier'
