"""AP of resampled images, from matches that are made once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RECALLS = np.linspace(0, 1, 101)  # at which COCO reads the precision
_AT_ONCE = 32  # resamples, whose counts stay in the cache


@dataclass
class ClassMatches:
    """The detections of a class in all N images, the surest first, as COCO matched them.

    Attributes:
        images: (D,) position of each detection's image.
        hits: (T, D) whether it found an object, at each IoU threshold.
        ignored: (T, D) whether it is neither right nor wrong, such as on a crowd.
        objects: (N,) truths in each image, crowds aside.
    """

    images: np.ndarray
    hits: np.ndarray
    ignored: np.ndarray
    objects: np.ndarray


def resampled_ap(classes: Sequence[ClassMatches], counts: np.ndarray) -> np.ndarray:
    """AP of each class over images that are in the data several times, once or not at all.

    It is what COCO's evaluation gives of such data, whose copies of a detection follow each other.

    Args:
        counts: (N, R) how often each image is in each of R resamples.

    Returns:
        (K, R) the mean over the IoU thresholds, from 0 to 1; nan where there is no object.
    """
    parts = np.array_split(counts, -(-counts.shape[1] // _AT_ONCE), axis=1)
    parts = [np.ascontiguousarray(part, float) for part in parts]
    return np.stack([np.concatenate([_ap(one, part) for part in parts]) for one in classes])


def _ap(one: ClassMatches, counts: np.ndarray) -> np.ndarray:
    """(R,) of a class; `counts` as above."""
    objects = one.objects @ counts
    # The precision is highest where an object was found: it is computed there alone.
    events = np.flatnonzero(one.hits.any(axis=0))
    if not len(events):
        return np.where(objects > 0, 0.0, np.nan)
    seen = _sum_until(events, np.arange(events[-1] + 1), one.images, counts)
    total = np.zeros(counts.shape[1])
    for hits, ignored in zip(one.hits, one.ignored, strict=True):
        at = np.flatnonzero(hits)
        if not len(at):
            continue
        found = np.cumsum(counts[one.images[at]], axis=0)
        judged = seen[np.searchsorted(events, at)]
        if ignored.any():
            judged = judged - _sum_until(at, np.flatnonzero(ignored), one.images, counts)
        precision = found / np.maximum(judged, 1)
        precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        reached = _recalls_until(found / np.maximum(objects, 1))
        total += precision[0] * reached[0]
        total += np.einsum('ij,ij->j', precision[1:], np.diff(reached, axis=0))
    ap = total / (len(RECALLS) * len(one.hits))
    return np.where(objects > 0, ap, np.nan)


def _sum_until(
    places: np.ndarray, which: np.ndarray, images: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """(places, R) how many of the detections `which` stand up to each place, itself included."""
    sums = np.zeros((len(which) + 1, counts.shape[1]))
    np.cumsum(counts[images[which]], axis=0, out=sums[1:])
    return sums[np.searchsorted(which, places, side='right')]


def _recalls_until(recall: np.ndarray) -> np.ndarray:
    """How many of RECALLS are at most `recall`, with the rounding that COCO has."""
    nearest = np.rint(recall * (len(RECALLS) - 1)).astype(np.intp)
    return nearest + (RECALLS[nearest] <= recall).astype(float)
