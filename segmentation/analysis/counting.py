"""Pixels of a test by their true and their predicted class."""

import numpy as np

from classification.analysis.boundary import band_width, boundary_band


def count_pixels(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Pixels by true and predicted class.

    Args:
        truth, found: (H, W) positions of classes; what is beyond the classes in `truth` is left
            out.

    Returns:
        (classes, classes), rows are the truth.
    """
    known = (truth >= 0) & (truth < classes)
    pairs = truth[known].astype(np.int64) * classes + found[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def class_iou(counts: np.ndarray) -> np.ndarray:
    """(K,) IoU of each class, from 0 to 1; nan where it neither is nor was predicted."""
    right = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - right
    return np.where(union > 0, right / np.maximum(union, 1), np.nan)


def count_boundaries(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Pixels of boundary IoU of each class: in both bands, and in one or both.

    The band of a class is that of `boundary_band` inside its region in a map, with a width of 2 %
    of the diagonal. Pixels without a class in `truth` are of no region in both maps. Summed over
    the images of a test, the quotient is the boundary IoU of a class, as IoU is of whole regions.

    Args: as `count_pixels`.

    Returns:
        (2, classes): intersection and union.
    """
    known = (truth >= 0) & (truth < classes)
    counts, width = np.zeros((2, classes), np.int64), band_width(truth.shape)
    for k in np.union1d(truth[known], found[known]):
        one, other = (boundary_band((labels == k) & known, width) for labels in (truth, found))
        counts[:, k] = (one & other).sum(), (one | other).sum()
    return counts
