"""Draw a map of classes over an image."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from classification.visualization.drawing import (
    Colour,
    draw_label,
    draw_text,
    enlarge,
    paint_mask,
    text_size,
    to_picture,
)


def draw_prediction(
    image: np.ndarray,
    sample: Any,
    classes: Sequence[str],
    palette: Sequence[Colour],
    score_thr: float = 0.3,
) -> Image.Image:
    """The predicted map, whatever `score_thr`; arguments as `engine.task.Task`."""
    return draw_map(image, sample.pred_sem_seg.data[0].cpu().numpy(), classes, palette)


def draw_truth(
    image: np.ndarray, sample: Any, classes: Sequence[str], palette: Sequence[Colour]
) -> Image.Image:
    """The annotated map, or the image alone where the sample has none."""
    if 'gt_sem_seg' not in sample:
        return draw_text(image, [])
    return draw_map(image, sample.gt_sem_seg.data[0].cpu().numpy(), classes, palette)


def draw_map(
    image: np.ndarray, labels: np.ndarray, classes: Sequence[str], palette: Sequence[Colour]
) -> Image.Image:
    """A map of classes over an image, with a name on the largest part of each.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W); those beyond the classes, such as 255, are left as they are.
        classes, palette: a name and an RGB colour for each class.

    Returns:
        `image` enlarged k times.
    """
    canvas, k = enlarge(image)
    present = [label for label in np.unique(labels) if label < len(classes)]
    for label in present:
        paint_mask(canvas, labels == label, palette[label], k)
    picture = to_picture(canvas)
    for label in present:
        row, column = _inmost(labels == label)
        width, height = text_size(picture, classes[label])
        corner = column * k - width / 2, row * k + height / 2
        draw_label(picture, corner, classes[label], tuple(palette[label]))
    return picture


def _inmost(mask: np.ndarray) -> tuple[int, int]:
    """(row, column) of the pixel of a mask (H, W) that is farthest from its edge."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return int(row) - 1, int(column) - 1
