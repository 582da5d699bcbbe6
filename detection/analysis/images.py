"""What a detector got right and wrong in each image, at a score, and the classes it confuses."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .coco import IOU_THR, ImageMatches
from .errors import RIGHT, find_errors


@dataclass
class ImageOutcome:
    """An image at a score: what is less sure is no detection.

    Attributes:
        seen: its detections.
        kinds: of each of them a key of errors.KINDS, RIGHT or IGNORED.
        lost: (G,) truths that none of them found.
        quality: F1 of the image, 1 where it has no objects and no detections.
        mistakes: false detections and lost truths.
        missed: lost truths of the kind 'missed'.
    """

    seen: ImageMatches
    kinds: list[str]
    lost: np.ndarray
    quality: float
    mistakes: int
    missed: int


def judge_image(image: ImageMatches, score_thr: float) -> ImageOutcome:
    """What a user sees who shows detections from `score_thr` on."""
    seen = at_score(image, score_thr)
    errors = find_errors(seen)
    hits = errors.kinds.count(RIGHT)
    wrong = len(seen.found) - hits - int(seen.ignored.sum())
    lost = int(errors.unmatched.sum())
    total = 2 * hits + wrong + lost
    quality = 2 * hits / total if total else 1.0
    return ImageOutcome(
        seen, errors.kinds, errors.unmatched, quality, wrong + lost, int(errors.missed.sum())
    )


def at_score(image: ImageMatches, score_thr: float) -> ImageMatches:
    """An image without the detections below a score.

    COCO matches the surest first, so what is left keeps its matches.
    """
    kept = image.scores >= score_thr
    return ImageMatches(
        image.truths,
        image.truth_labels,
        image.found[kept],
        image.labels[kept],
        image.scores[kept],
        image.overlaps[kept],
        image.match[kept],
        image.ignored[kept],
    )


def confusion_matrix(images: Iterable[ImageMatches], classes: int, score_thr: float) -> np.ndarray:
    """Numbers of objects by class and by the class that was found there.

    A detection that is right counts on the diagonal. Of the others, the surest first, each takes
    the object that it overlaps most, with an IoU from 0.50 on, of those that are left. What takes
    none counts as found in the background, even on an object that another has taken; an object that
    is left counts as taken for background.

    Returns:
        (classes + 1, classes + 1): rows are the truth, columns the prediction, the last of each is
        the background.
    """
    counts = np.zeros((classes + 1, classes + 1), int)
    for image in images:
        seen = at_score(image, score_thr)
        free = np.ones(len(seen.truths), bool)
        hits = seen.match >= 0
        free[seen.match[hits]] = False
        np.add.at(counts, (seen.labels[hits], seen.labels[hits]), 1)
        for i in np.flatnonzero(~hits & ~seen.ignored):
            overlaps = np.where(free, seen.overlaps[i], 0)
            row = classes
            if overlaps.max(initial=0) >= IOU_THR:
                free[overlaps.argmax()] = False
                row = seen.truth_labels[overlaps.argmax()]
            counts[row, seen.labels[i]] += 1
        np.add.at(counts[:, classes], seen.truth_labels[free], 1)
    return counts
