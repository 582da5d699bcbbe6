"""Gathers of a detector's test what its report needs."""

from collections.abc import Sequence
from typing import Any

from mmdet.evaluation import CocoMetric

from classification.engine.errors import UsageError

from .coco_analysis import CocoAnalysis


class DetectionAnalyst:
    """Keeps the detections that COCO's evaluator was given.

    Args:
        runner: MMEngine's, before its test.
        score_thr: what is less sure is left out of confusions and pictures.

    Raises:
        UsageError: the config evaluates by something else.
    """

    def __init__(self, runner: Any, score_thr: float):
        # Its masks are encoded already, and its truth is what the metrics are of.
        metrics = [m for m in runner.test_loop.evaluator.metrics if isinstance(m, CocoMetric)]
        if not metrics:
            raise UsageError(
                f"A detector's report needs COCO's evaluation: set the type of test_evaluator to "
                f'CocoMetric in {runner.cfg.filename}.'
            )
        self.metric = metrics[0]
        self.score_thr = score_thr
        self.results: list[dict[str, Any]] = []

    def add(self, samples: Sequence[Any]) -> None:
        """Take the results of the next images."""
        self.results += [result for _, result in self.metric.results[len(self.results) :]]

    def analysis(self) -> CocoAnalysis:
        """Of what the evaluator was given, and the truth that it used."""
        category_ids = self.metric.cat_ids
        return CocoAnalysis(
            self.metric._coco_api.dataset,
            [one for result in self.results for one in coco_results(result, category_ids)],
            category_ids,
            ['bbox', 'segm'] if 'segm' in self.metric.metrics else ['bbox'],
            self.score_thr,
            [result['img_id'] for result in self.results],
        )


def coco_results(result: dict[str, Any], category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """What CocoMetric keeps of an image, in COCO's results format."""
    found = []
    for i, (x1, y1, x2, y2) in enumerate(result['bboxes'].tolist()):
        one = dict(
            image_id=result['img_id'],
            category_id=category_ids[int(result['labels'][i])],
            bbox=[x1, y1, x2 - x1, y2 - y1],
            score=float(result['scores'][i]),
        )
        if 'masks' in result:
            one['segmentation'] = result['masks'][i]
        found.append(one)
    return found
