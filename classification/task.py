"""Classification's answers to the engine."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from PIL import ImageDraw
from PIL.Image import Image
from timm.data import Mixup
from torch import nn

from .analysis.classes import ClassAnalyst
from .annotations.checks.cache import cached
from .annotations.checks.dataset import check
from .annotations.files.images import list_images
from .annotations.layouts.folders import read_folders
from .annotations.problems.verdict import refuse_or_log
from .annotations.records import Annotations
from .classifier import ImageClassifier
from .datasets.folder import ImageFolder
from .datasets.transforms import ReadImage
from .engine.configs.datasets import leaf_datasets
from .engine.errors import UsageError
from .engine.task import Score, Task
from .engine.weights.formats import Weights
from .formats import FORMATS
from .hooks import AveragedScoreHook
from .results import Result, Scores
from .visualization.drawing import Colour, draw_text, hstack, line_width
from .visualization.page_style import BLUE, VERMILLION

_MOST_OPENED = 200_000  # images whose headers are read before a training


class Classification(Task):
    """Classifiers, whose predictions are dicts of `scores` (num_classes,)."""

    count_shape = (224, 224)
    formats = FORMATS['classification']

    def check_dataset(self, dataset: Mapping[str, Any], cls: type, cfg: Config, split: str) -> None:
        """As Task, of folders of images; those of ImageNet's size are not opened before."""
        if not _is_folder(dataset, cls):
            return
        root = Path(dataset['data_root'])
        if len(list_images(root)) > _MOST_OPENED:
            return
        problems = cached(
            [root],
            (dataset.get('metainfo'), split),
            lambda: _read_folder(dataset, cls, split).problems,
        )
        refuse_or_log(problems, cfg.filename)

    def read_annotations(
        self, dataset: Mapping[str, Any], cls: type, split: str
    ) -> Annotations | None:
        return _read_folder(dataset, cls, split) if _is_folder(dataset, cls) else None

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

    def result(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> Scores:
        return Scores(image, classes, palette, sample['scores'].float().cpu().numpy())

    def sample(self, result: Result, data: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        scores = torch.from_numpy(cast(Scores, result).scores)
        return dict(scores=scores, target=torch.as_tensor(data['targets']))

    def draw_truth(
        self,
        image: np.ndarray,
        sample: Any,
        classes: Sequence[str],
        palette: Sequence[Colour],
    ) -> Image:
        """The class, or those of a mixed image, or the image alone where the sample has none."""
        target = sample.get('target')
        if target is None:
            return draw_text(image, [])
        if not target.ndim:
            return draw_text(image, [f'truth: {classes[int(target)]}'])
        shares = {classes[i]: share for i, share in enumerate(target.tolist()) if share}
        best_first = sorted(shares, key=lambda name: -shares[name])
        return draw_text(image, [f'truth: {name}  {shares[name]:.2f}' for name in best_first])

    def training_inputs(
        self, cfg: Config, data: Mapping[str, Any]
    ) -> tuple[torch.Tensor, Sequence[Any]]:
        """As Task, after mixup and cutmix; without label smoothing, which no picture shows."""
        images, targets = data['inputs'], data['targets']
        if cfg.model.get('mixup'):
            mixup = Mixup(
                num_classes=cfg.model.model.num_classes, label_smoothing=0.0, **cfg.model.mixup
            )
            images, targets = mixup(images, targets)
        return images, [dict(target=target) for target in targets]

    def draw_comparison(
        self,
        image: np.ndarray,
        sample: Any,
        classes: Sequence[str],
        palette: Sequence[Colour],
    ) -> Image:
        """As Task, the prediction framed: blue where it is right, vermillion where it is wrong."""
        found = self.draw_prediction(image, sample, classes, palette)
        if 'target' in sample:
            right = int(sample['scores'].argmax()) == int(sample['target'])
            corners = (0, 0, found.width - 1, found.height - 1)
            colour = BLUE if right else VERMILLION
            ImageDraw.Draw(found).rectangle(corners, None, colour, 2 * line_width(found))
        return hstack(self.draw_truth(image, sample, classes, palette), found)

    def exportable(self, model: nn.Module, steps: Sequence[Mapping[str, Any]]) -> Any:
        """As Task; see `export.classifiers`."""
        from .export.classifiers import exportable  # needs the packages of exporting

        return exportable(model, steps)

    def analyst(self, runner: Any, score_thr: float = 0.3) -> ClassAnalyst:
        dataset = runner.test_dataloader.dataset
        classes = dataset.metainfo['classes']
        return ClassAnalyst(classes, lambda index: dataset.get_data_info(index)['img_path'])

    def score(
        self,
        model: nn.Module,
        inputs: torch.Tensor,
        sample: Any,
        label: int | None = None,
        point: tuple[int, int] | None = None,
        mask: bool = False,
    ) -> Score:
        """The logit of a class, for the image as a whole."""
        logits = model(inputs, mode='tensor')[0]
        label = int(logits.argmax()) if label is None else label
        if label >= len(logits):
            raise UsageError(f'There is no class {label}: the model scores {len(logits)}.')
        return Score(logits[label], label)

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


def _is_classifier(cfg: Any) -> bool:
    return cfg.get('model', {}).get('type') == 'ImageClassifier'


def _is_folder(dataset: Mapping[str, Any], cls: type) -> bool:
    return cls is ImageFolder and os.path.isdir(dataset.get('data_root') or '')


def _read_folder(dataset: Mapping[str, Any], cls: Any, split: str) -> Annotations:
    classes = cls._load_metainfo(dataset.get('metainfo')).get('classes')
    annotations = read_folders(Path(dataset['data_root']), classes)
    for image in annotations.images:
        image.split = split
    annotations.problems = check(annotations)
    return annotations
