"""Draw the instances of a detector's prediction or truth over an image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from classification.visualization.drawing import (
    Colour,
    draw_label,
    draw_text,
    enlarge,
    line_width,
    paint_mask,
    to_picture,
)


def draw_prediction(
    image: np.ndarray,
    sample: Any,
    classes: Sequence[str],
    palette: Sequence[Colour],
    score_thr: float = 0.3,
) -> Image.Image:
    """The instances found with at least `score_thr`; arguments as `engine.task.Task`."""
    found = sample.pred_instances[sample.pred_instances.scores >= score_thr]
    return _draw(image, found, classes, palette, _array(found.scores))


def draw_truth(
    image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
) -> Image.Image:
    """The annotated instances, or the image alone where the sample has none."""
    truth = sample.get('gt_instances')
    return draw_text(image, []) if truth is None else _draw(image, truth, classes, palette)


def _draw(
    image: np.ndarray,
    instances: Any,
    classes: Sequence[str],
    palette: Sequence[Colour],
    scores: np.ndarray | None = None,
) -> Image.Image:
    boxes, labels, masks = instances.bboxes, instances.labels, instances.get('masks')
    return draw_instances(
        image,
        _array(boxes),
        _array(labels),
        classes,
        palette,
        None if masks is None else _array(masks),
        scores,
    )


def _array(values: Any) -> np.ndarray:
    """A tensor, mmdet's boxes or mmdet's masks as a numpy array."""
    if hasattr(values, 'to_ndarray'):
        return values.to_ndarray()
    return getattr(values, 'tensor', values).cpu().numpy()


def draw_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Colour],
    masks: np.ndarray | None = None,
    scores: np.ndarray | None = None,
) -> Image.Image:
    """Masks, outlined, then boxes, then names with scores over an image.

    Args:
        image: (H, W, 3) uint8, RGB.
        boxes: (N, 4), x1, y1, x2, y2 in pixels of `image`.
        labels: (N,) positions in `classes` and `palette`.
        classes, palette: a name and an RGB colour for each class.
        masks: (N, H, W), or None.
        scores: (N,), or None.

    Returns:
        `image` enlarged k times.
    """
    canvas, k = enlarge(image)
    # The surest last, on top.
    order = np.arange(len(labels)) if scores is None else np.argsort(scores, kind='stable')
    if masks is not None:
        for i in order:
            paint_mask(canvas, masks[i], palette[labels[i]], k)
    picture = to_picture(canvas)
    draw = ImageDraw.Draw(picture)
    for i in order:
        box = [round(float(side) * k) for side in boxes[i]]
        box[2:] = max(box[0], box[2] - 1), max(box[1], box[3] - 1)
        draw.rectangle(box, outline=tuple(palette[labels[i]]), width=line_width(picture))
    for i in order:
        text = classes[labels[i]] + ('' if scores is None else f' {scores[i]:.2f}')
        corner = float(boxes[i][0]) * k, float(boxes[i][1]) * k
        draw_label(picture, corner, text, tuple(palette[labels[i]]))
    return picture
