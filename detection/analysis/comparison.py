"""Truth and detections of one image, compared as in the report of a whole test."""

from PIL import Image

from classification.results import Instances

from .coco import evaluate_coco
from .images import judge_image
from .marking import draw_errors


def draw_comparison(
    truth: Instances, found: Instances, crowds: Instances | None = None, score_thr: float = 0.3
) -> Image.Image:
    """The truth on the left and the detections on the right, see `marking.draw_errors`.

    They are matched as COCO matches boxes at IoU 0.50.

    Args:
        truth, found: of one image.
        crowds: annotations of it that are neither to be found nor wrong.
        score_thr: what is less sure is left out.
    """
    height, width = truth.image.shape[:2]
    truths = truth.to_coco()
    ignored = [] if crowds is None else [dict(one, iscrowd=1) for one in crowds.to_coco()]
    detections = found.to_coco()
    ids = list(range(1, len(truth.names) + 1))
    annotations = dict(
        images=[dict(id=1, height=height, width=width)],
        categories=[dict(id=i) for i in ids],
        annotations=truths + ignored,
    )
    matches = evaluate_coco(annotations, detections, ids, 'bbox').images[1]
    outcome = judge_image(matches, score_thr)
    return draw_errors(truth.image, outcome, truths, detections, truth.names, ignored)
