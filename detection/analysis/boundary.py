"""Boundary IoU of the masks that found an object."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from classification.analysis.boundary import band_width, boundary_band

from .coco import CocoScores
from .marking import read_mask


class Overlaps(NamedTuple):
    """Means over the objects of each class that a mask found.

    Attributes:
        objects: (K,) their numbers.
        mask: (K,) mean IoU of the masks, from 0 to 1; nan without objects.
        boundary: (K,) mean boundary IoU.
    """

    objects: np.ndarray
    mask: np.ndarray
    boundary: np.ndarray


def mean_overlaps(
    scores: CocoScores, truth: Mapping[str, Any], found: Sequence[Mapping[str, Any]]
) -> Overlaps:
    """Of the pairs of masks that COCO matches at IoU 0.50.

    Args:
        scores: of masks.
        truth, found: what they are of.
    """
    sizes = {image['id']: (image['height'], image['width']) for image in truth['images']}
    classes = len(scores.classes)
    objects, sums = np.zeros(classes, int), np.zeros((2, classes))
    for image_id, image in scores.images.items():
        for i in np.flatnonzero((image.match >= 0) & ~image.ignored):
            j = image.match[i]
            pair = found[image.found[i]], truth['annotations'][image.truths[j]]
            one, other = (read_mask(shape, sizes[image_id]) for shape in pair)
            if one is None or other is None:  # of another size than the image
                continue
            label = image.labels[i]
            objects[label] += 1
            sums[:, label] += image.overlaps[i, j], boundary_iou(one, other)
    means = np.where(objects > 0, sums / np.maximum(objects, 1), np.nan)
    return Overlaps(objects, means[0], means[1])


def boundary_iou(one: np.ndarray, other: np.ndarray) -> float:
    """IoU of the bands inside the outlines of two masks (H, W), see `boundary_band`; 0 of none."""
    # What is around both does not count, and large images are mostly that.
    around = one | other
    rows, columns = np.flatnonzero(around.any(axis=1)), np.flatnonzero(around.any(axis=0))
    if not len(rows):
        return 0.0
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = band_width(one.shape)
    bands = [boundary_band(mask[part], width) for mask in (one, other)]
    return float((bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum())
