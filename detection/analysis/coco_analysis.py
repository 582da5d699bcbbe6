"""The analysis of detections, from data in COCO's formats."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from PIL.Image import Image

from classification.analysis.bootstrap import mean_known
from classification.analysis.calibration import Calibration
from classification.engine.task import Judgement
from classification.visualization.page import Section

from .calibrating import calibrate
from .coco import CocoScores, evaluate_coco
from .images import ImageOutcome, judge_image
from .marking import draw_errors
from .pictures import caption, crowds_by_image
from .resampling import resampled_ap
from .sections import KIND_NAMES, detection_sections


class CocoAnalysis:
    """As engine.task.Analysis.

    Args:
        truth, found, category_ids: see coco.evaluate_coco; boxes are always there.
        kinds: 'bbox', and 'segm' where there are masks.
        score_thr: what is less sure is left out of confusions, of pictures and of their quality.
        image_ids: ids of the images in the order of their positions.
    """

    quality_name = 'F1'

    def __init__(
        self,
        truth: Mapping[str, Any],
        found: Sequence[Mapping[str, Any]],
        category_ids: Sequence[int],
        kinds: Sequence[str],
        score_thr: float,
        image_ids: Sequence[Any],
    ):
        self.truth, self.found, self.category_ids = truth, found, category_ids
        self.kinds, self.score_thr, self.image_ids = kinds, score_thr, image_ids
        names = {category['id']: str(category['name']) for category in truth['categories']}
        self.classes = [names[number] for number in category_ids]

    @cached_property
    def scores(self) -> dict[str, CocoScores]:
        """Of each kind."""
        return {
            kind: evaluate_coco(self.truth, self.found, self.category_ids, kind)
            for kind in self.kinds
        }

    @property
    def calibration(self) -> Calibration:
        """Of the scores of boxes, of which those are right that found an object at IoU 0.50."""
        return calibrate(self.scores['bbox'])

    def sections(self, pictures: Callable[[int], np.ndarray] | None) -> list[Section]:
        """See detection_sections."""
        drawn = {}
        if pictures:
            drawn = {image_id: partial(pictures, i) for i, image_id in enumerate(self.image_ids)}
        return detection_sections(
            self.scores, self.truth, self.found, self.classes, self.score_thr, drawn
        )

    def names(self) -> list[str]:
        files = {one['id']: str(one.get('file_name', one['id'])) for one in self.truth['images']}
        return [files[image_id] for image_id in self.image_ids]

    def quality(self) -> np.ndarray:
        """F1 of each image, see images.ImageOutcome."""
        return np.array([self._outcome(i).quality for i in range(len(self.image_ids))])

    def judgements(self) -> list[Judgement]:
        """Box AP and mask AP: COCO's."""
        return [Judgement(f'{KIND_NAMES[kind]} AP', partial(self._ap, kind)) for kind in self.kinds]

    def _ap(self, kind: str, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = dict(zip(self.image_ids, counts, strict=True))
        none = np.zeros_like(counts[0])  # of an image that was not tested
        ordered = np.stack([rows.get(image_id, none) for image_id in self.scores[kind].images])
        ap = resampled_ap(self.scores[kind].classes, ordered)
        return mean_known(ap), ap

    def draw(self, index: int, image: np.ndarray) -> Image:
        """See marking.draw_errors."""
        return draw_errors(
            image,
            self._outcome(index),
            self.truth.get('annotations', []),
            self.found,
            self.classes,
            crowds_by_image(self.truth).get(self.image_ids[index], []),
        )

    def caption(self, index: int) -> str:
        return caption(self._outcome(index))

    def _outcome(self, index: int) -> ImageOutcome:
        image = self.scores['bbox'].images[self.image_ids[index]]
        return judge_image(image, self.score_thr)
