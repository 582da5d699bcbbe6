"""Segmentation's answers to the engine."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement, PixelData
from mmseg.structures import SegDataSample
from PIL.Image import Image
from torch import nn

from classification.engine.configs.heads import class_counts
from classification.engine.task import Task
from classification.formats import FORMATS
from classification.results import ClassMap, Result
from classification.visualization.drawing import Colour, class_colours, draw_text, hstack

from . import checks, explanation
from .analysis.analyst import MapAnalyst
from .analysis.wrong import draw_wrong


class Segmentation(Task):
    """Segmentors of mmseg, which give a map of classes."""

    count_shape = (512, 2048)
    image_keys = ('img_path', 'seg_map_path')
    formats = FORMATS['segmentation']
    can_merge = True

    check_dataset = staticmethod(checks.check_dataset)
    read_annotations = staticmethod(checks.read_annotations)
    check_sample = staticmethod(checks.check_sample)
    score = staticmethod(explanation.score)

    def result(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> ClassMap:
        return ClassMap(image, classes, palette, sample.pred_sem_seg.data[0].cpu().numpy())

    def sample(self, result: Result, data: Mapping[str, Any]) -> Any:
        found = cast(ClassMap, result).map.astype(np.int64)
        data['data_samples'].pred_sem_seg = PixelData(data=torch.from_numpy(found)[None])
        return data['data_samples'].to_dict()

    def draw_truth(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> Image:
        """The annotated map, or the image alone where the sample has none."""
        if 'gt_sem_seg' not in sample:
            return draw_text(image, [])
        labels = sample.gt_sem_seg.data[0].cpu().numpy()
        return ClassMap(image, classes, palette, labels).draw()

    def draw_comparison(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> Image:
        """As Task, and beside them the wrong pixels, where the sample has a truth."""
        both = super().draw_comparison(image, sample, classes, palette)
        if 'gt_sem_seg' not in sample:
            return both
        truth, found = (
            part.data[0].cpu().numpy() for part in (sample.gt_sem_seg, sample.pred_sem_seg)
        )
        return hstack(both, draw_wrong(image, truth, found, len(classes)))

    def exportable(self, model: nn.Module, steps: Sequence[Mapping[str, Any]]) -> Any:
        """As Task; see `export.exportable`."""
        from .export.exportable import exportable  # needs the packages of exporting

        return exportable(model, steps)

    def analyst(self, runner: Any, score_thr: float = 0.3) -> MapAnalyst:
        dataset = runner.test_dataloader.dataset
        return MapAnalyst(
            dataset.metainfo['classes'],
            class_colours(dataset.metainfo),
            lambda index: dataset.get_data_info(index)['img_path'],
        )

    def noise_batch(
        self,
        cfg: Config,
        model: nn.Module,
        batch: int,
        size: tuple[int, int],
        training: bool = False,
    ) -> list:
        """[images (B, 3, H, W), B data samples], with random maps (1, H, W) to train on."""
        images = torch.randn(batch, 3, *size)
        if not training:
            return [images, [BaseDataElement(metainfo=dict(img_shape=size))] * batch]
        samples = [SegDataSample(metainfo=dict(img_shape=size)) for _ in range(batch)]
        for sample in samples:
            truth = torch.randint(class_counts(cfg.model)[0][1], (1, *size))
            sample.gt_sem_seg = PixelData(data=truth)
        return [images, samples]
