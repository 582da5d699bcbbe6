"""Kinds of errors of a detector, and the AP that each costs.

The kinds and what repairs them are those of Bolya et al., "TIDE: A General Toolbox for Identifying
Object Detection Errors" (ECCV 2020), with its thresholds 0.5 and 0.1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .coco import IOU_THR, ImageMatches

BACKGROUND_IOU = 0.1  # below it a detection lies on no object
# Kind -> what it is. A false detection is of the first kind that fits, in this order.
KINDS = {
    'location': 'the right class, but its box or mask fits badly (IoU 0.1 to 0.5)',
    'class': 'a good place, but another class',
    'duplicate': 'an object that a surer detection has found already',
    'background': 'where there is no object (IoU below 0.1)',
    'both': 'another class, and in a bad place',
    'missed': 'objects that no detection found, and none of the first two kinds came near',
}
RIGHT, IGNORED = 'right', 'ignored'


@dataclass
class ImageErrors:
    """What is wrong in an image.

    Attributes:
        kinds: (D,) of each detection: a key of KINDS, RIGHT or IGNORED.
        target: (D,) the truth that a detection of the kinds location and class came near, where
            nothing found that truth and no surer detection of these kinds came near it; else -1.
        unmatched: (G,) truths without a right detection.
        missed: (G,) those of them that are of the kind 'missed'.
    """

    kinds: list[str]
    target: np.ndarray
    unmatched: np.ndarray
    missed: np.ndarray


def find_errors(image: ImageMatches) -> ImageErrors:
    """Sort the detections and truths of an image into kinds."""
    unmatched = np.ones(len(image.truths), bool)
    unmatched[image.match[image.match >= 0]] = False
    missed = unmatched.copy()
    kinds, target = [], np.full(len(image.found), -1)
    for i in range(len(image.found)):
        if image.ignored[i]:
            kinds.append(IGNORED)
        elif image.match[i] >= 0:
            kinds.append(RIGHT)
        else:
            kind, near = _kind(image.overlaps[i], image.truth_labels == image.labels[i])
            kinds.append(kind)
            if near >= 0 and missed[near]:  # the surest come first
                target[i] = near
                missed[near] = False
    return ImageErrors(kinds, target, unmatched, missed)


def _kind(overlaps: np.ndarray, own: np.ndarray) -> tuple[str, int]:
    """Kind of a false detection and the truth that it came near, from its IoU with all truths.

    Args:
        overlaps: (G,).
        own: (G,) truths of the detection's class.
    """
    same, other = np.where(own, overlaps, 0), np.where(own, 0, overlaps)
    best_same, best_other = same.max(initial=0), other.max(initial=0)
    if BACKGROUND_IOU <= best_same < IOU_THR:
        return 'location', int(same.argmax())
    if best_other >= IOU_THR:
        return 'class', int(other.argmax())
    if best_same >= IOU_THR:
        return 'duplicate', -1
    if max(best_same, best_other) < BACKGROUND_IOU:
        return 'background', -1
    return 'both', -1


def average_precision(scores: np.ndarray, hits: np.ndarray, count: int) -> float:
    """AP as COCO defines it: the mean of the precision at 101 recalls.

    Args:
        scores: (N,) of detections of a class in all images.
        hits: (N,) whether each found an object.
        count: number of objects, above 0.
    """
    order = np.argsort(-np.asarray(scores), kind='mergesort')
    true = np.cumsum(np.asarray(hits, float)[order])
    precision = true / np.arange(1, len(true) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(true / count, np.linspace(0, 1, 101), side='left')
    return float(np.append(precision, 0)[at].mean())


def ap_costs(
    images: Sequence[ImageMatches], errors: Sequence[ImageErrors], classes: int
) -> tuple[float, dict[str, float]]:
    """AP at IoU 0.50, and how much higher it would be without each kind of error.

    A repair changes one kind alone: detections with a wrong class, or in a bad location, become
    right where they are the `target`'s, and else go; those of the kinds duplicate, background and
    both go; missed objects are not counted. A class all of whose objects were missed has an AP of 1
    after that. Without crowds all but this last is as in TIDE's own code, to the last digit; on
    crowds the matches are COCO's.

    Args:
        images, errors: of each image, in one order.
        classes: their number.

    Returns:
        AP, {kind: its cost}; all from 0 to 1. nan where there is no object at all.
    """
    base = _mean_ap(images, errors, classes, None)
    return base, {kind: _mean_ap(images, errors, classes, kind) - base for kind in KINDS}


def _mean_ap(
    images: Iterable[ImageMatches],
    errors: Iterable[ImageErrors],
    classes: int,
    repaired: str | None,
) -> float:
    scores: list[list[float]] = [[] for _ in range(classes)]
    hits: list[list[bool]] = [[] for _ in range(classes)]
    counts, missed = np.zeros(classes, int), np.zeros(classes, int)
    for image, error in zip(images, errors, strict=True):
        np.add.at(counts, image.truth_labels, 1)
        np.add.at(missed, image.truth_labels[error.missed], 1)
        for i, kind in enumerate(error.kinds):
            label, hit = image.labels[i], kind == RIGHT
            if kind == IGNORED:
                continue
            if kind == repaired:
                if error.target[i] < 0:
                    continue
                label, hit = image.truth_labels[error.target[i]], True
            scores[label].append(image.scores[i])
            hits[label].append(hit)
    present = np.flatnonzero(counts)
    if repaired == 'missed':
        counts = counts - missed
    values = [
        average_precision(np.array(scores[k]), np.array(hits[k]), counts[k]) if counts[k] else 1.0
        for k in present
    ]
    return float(np.mean(values)) if values else float('nan')
