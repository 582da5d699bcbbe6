"""Detection's answers to the engine."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from PIL.Image import Image
from torch import nn

from classification.engine.task import Task
from classification.formats import FORMATS
from classification.results import Instances, Result
from classification.stand_ins import has_compiled_operators
from classification.visualization.drawing import Colour, draw_text

from . import checks, counting, explanation
from .analysis.analyst import DetectionAnalyst
from .analysis.comparison import draw_comparison
from .results import to_instances, to_sample


class Detection(Task):
    """Detectors of mmdet, with or without masks, on data in COCO's format."""

    count_shape = (800, 1280)
    training_forwards = None  # it trains on other proposals than it tests
    image_keys = ('img_path', 'seg_map_path')
    formats = FORMATS['detection']
    can_merge = True

    check_dataset = staticmethod(checks.check_dataset)
    read_annotations = staticmethod(checks.read_annotations)
    noise_batch = staticmethod(counting.noise_batch)
    freeze_values = staticmethod(counting.freeze_values)
    reads_values = staticmethod(counting.reads_values)
    score = staticmethod(explanation.score)

    @property
    def cpu_amp_refusal(self) -> str | None:  # type: ignore[override]  # nobody sets it
        """A compiled mmcv has no bfloat16; this project's operators have."""
        if not has_compiled_operators():
            return None
        return (
            "--amp is bfloat16 on a CPU, where the compiled mmcv's NMS and RoIAlign have none: "
            'train this detector without --amp, on a GPU, or with mmcv-lite instead of mmcv.'
        )

    def result(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> Instances:
        return to_instances(image, sample.pred_instances, classes, palette)

    def sample(self, result: Result, data: Mapping[str, Any]) -> Any:
        return to_sample(cast(Instances, result), data['data_samples'])

    def draw_truth(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> Image:
        """The annotated instances, or the image alone where the sample has none."""
        truth = sample.get('gt_instances')
        if truth is None:
            return draw_text(image, [])
        return to_instances(image, truth, classes, palette).draw()

    def draw_comparison(
        self, image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
    ) -> Image:
        """As Task, by right and wrong (`analysis.marking`) where the sample has a truth."""
        truth = sample.get('gt_instances')
        if truth is None:
            return super().draw_comparison(image, sample, classes, palette)
        crowds = sample.get('ignored_instances')
        return draw_comparison(
            to_instances(image, truth, classes, palette),
            to_instances(image, sample.pred_instances, classes, palette),
            None if crowds is None else to_instances(image, crowds, classes, palette),
        )

    def exportable(self, model: nn.Module, steps: Sequence[Mapping[str, Any]]) -> Any:
        """As Task; see `export.exportable`."""
        from .export.exportable import exportable  # needs the packages of exporting

        return exportable(model, steps)

    def analyst(self, runner: Any, score_thr: float = 0.3) -> DetectionAnalyst:
        return DetectionAnalyst(runner, score_thr)
