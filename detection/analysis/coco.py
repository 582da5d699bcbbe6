"""COCO's own evaluation of boxes or masks, with what it matched."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .resampling import ClassMatches

IOU_THR = 0.5  # of the matches
SIZES = ('all', 'small', 'medium', 'large')  # up to 32 x 32 pixels, up to 96 x 96, beyond


@dataclass
class ImageMatches:
    """Detections and truths of an image, matched as COCO does at IoU 0.50, class by class.

    Attributes:
        truths: positions in the dataset's annotations (G,); crowds are not among them.
        truth_labels: (G,) positions of their classes.
        found: positions in the list of detections (D,), the surest first.
        labels, scores: (D,) of the detections.
        overlaps: (D, G) IoU of all pairs, whatever their classes.
        match: (D,) the truth that a detection found, as its position in `truths`; -1 for none.
        ignored: (D,) detections that are neither right nor wrong, such as those on a crowd.
    """

    truths: np.ndarray
    truth_labels: np.ndarray
    found: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    overlaps: np.ndarray
    match: np.ndarray
    ignored: np.ndarray


@dataclass
class CocoScores:
    """What COCO's evaluation gives, with at most 100 detections per image and class.

    Attributes:
        precision: (10 IoU thresholds from 0.50 to 0.95, 101 recalls from 0 to 1, classes, SIZES);
            -1 where a class has no object of that size.
        objects: (classes, SIZES) numbers of truths, crowds aside.
        images: id of an image -> its matches, of all images.
        classes: the matches of each class at all IoU thresholds; its images are as above.
    """

    precision: np.ndarray
    objects: np.ndarray
    images: dict[Any, ImageMatches]
    classes: list[ClassMatches]

    def ap(self, size: str = 'all', iou: float | None = None) -> np.ndarray:
        """(classes,) AP of each, from 0 to 1, and nan for those without objects.

        Args:
            size: one of SIZES.
            iou: threshold; None for the mean over all of them.
        """
        precision = self.precision[..., SIZES.index(size)]
        if iou is not None:
            precision = precision[[round((iou - 0.5) / 0.05)]]
        values = precision.mean(axis=(0, 1))
        return np.where(precision.min(axis=(0, 1)) < 0, np.nan, values)


def evaluate_coco(
    truth: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    category_ids: Sequence[int],
    kind: str,
) -> CocoScores:
    """Evaluate detections against a dataset.

    Args:
        truth: content of an annotation file in COCO's format.
        found: detections in COCO's results format: image_id, category_id, score, and bbox
            (x, y, width, height) or segmentation (RLE).
        category_ids: those to evaluate, in the order of the classes.
        kind: 'bbox' or 'segm'.
    """
    # COCOeval takes the id 0 for "no match", so the annotations are numbered from 1.
    truths = [
        dict(one, id=i, iscrowd=int(one.get('iscrowd', 0)))
        for i, one in enumerate(truth.get('annotations', []), start=1)
    ]
    numbered = [
        dict(one, id=i, iscrowd=0, area=_area(one, kind)) for i, one in enumerate(found, start=1)
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress
        evaluation = COCOeval(_coco(truth, truths), _coco(truth, numbered), kind)
        evaluation.params.catIds = list(category_ids)
        evaluation.evaluate()
        evaluation.accumulate()
    params = evaluation.params
    order = np.searchsorted(params.catIds, category_ids)  # COCOeval has sorted the classes
    by_image: dict[Any, list[dict[str, Any]]] = {image_id: [] for image_id in params.imgIds}
    by_class: dict[int, list[dict[str, Any]]] = {number: [] for number in category_ids}
    for one in filter(None, evaluation.evalImgs):
        if one['aRng'] == params.areaRng[0]:
            by_image[one['image_id']].append(one)
            by_class[one['category_id']].append(one)
    positions = {image_id: i for i, image_id in enumerate(params.imgIds)}
    labels = {category: i for i, category in enumerate(category_ids)}
    return CocoScores(
        precision=evaluation.eval['precision'][..., -1][:, :, order],
        objects=_count(evaluation, labels),
        images={
            image_id: _matches(parts, truths, numbered, labels, kind, evaluation)
            for image_id, parts in by_image.items()
        },
        classes=[
            _class_matches(parts, positions, len(params.iouThrs)) for parts in by_class.values()
        ],
    )


def _area(one: Mapping[str, Any], kind: str) -> float:
    if kind == 'segm':
        return float(coco_mask.area(one['segmentation']))
    return one['bbox'][2] * one['bbox'][3]


def _coco(truth: Mapping[str, Any], annotations: list[dict[str, Any]]) -> COCO:
    coco = COCO()
    coco.dataset = dict(
        images=truth['images'], categories=truth['categories'], annotations=annotations
    )
    coco.createIndex()
    return coco


def _count(evaluation: COCOeval, labels: Mapping[int, int]) -> np.ndarray:
    counts = np.zeros((len(labels), len(SIZES)), int)
    ranges = {tuple(area): i for i, area in enumerate(evaluation.params.areaRng)}
    for one in filter(None, evaluation.evalImgs):
        counts[labels[one['category_id']], ranges[tuple(one['aRng'])]] += (
            np.asarray(one['gtIgnore']) == 0
        ).sum()
    return counts


def _class_matches(
    parts: Sequence[Mapping[str, Any]], positions: Mapping[Any, int], thresholds: int
) -> ClassMatches:
    """A class from COCOeval's parts, one per image in its order."""
    objects = np.zeros(len(positions), int)
    images, scores = [np.zeros(0, int)], [np.zeros(0)]
    hits, ignored = [np.zeros((thresholds, 0), bool)], [np.zeros((thresholds, 0), bool)]
    for part in parts:
        position = positions[part['image_id']]
        objects[position] = np.count_nonzero(np.asarray(part['gtIgnore']) == 0)
        images.append(np.full(len(part['dtScores']), position))
        scores.append(part['dtScores'])
        ignored.append(part['dtIgnore'].astype(bool))
        hits.append((part['dtMatches'] > 0) & ~ignored[-1])
    order = np.argsort(-np.concatenate(scores), kind='stable')
    return ClassMatches(
        np.concatenate(images)[order],
        np.concatenate(hits, axis=1)[:, order],
        np.concatenate(ignored, axis=1)[:, order],
        objects,
    )


def _matches(
    parts: Sequence[Mapping[str, Any]],
    truths: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    labels: Mapping[int, int],
    kind: str,
    evaluation: COCOeval,
) -> ImageMatches:
    """One image from COCOeval's parts, one per class, at its first IoU threshold, 0.50."""
    truth_ids, truth_labels = [], []
    rows: list[tuple[float, int, int, int, bool]] = []  # score, id, label, matched id, ignored
    for part in parts:
        label = labels[part['category_id']]
        kept = [number for number in part['gtIds'] if not truths[number - 1].get('iscrowd')]
        truth_ids += kept
        truth_labels += [label] * len(kept)
        columns = part['dtScores'], part['dtIds'], part['dtMatches'][0], part['dtIgnore'][0]
        rows += [
            (float(score), number, label, int(match), bool(ignored))
            for score, number, match, ignored in zip(*columns, strict=True)
        ]
    rows.sort(key=lambda row: -row[0])
    position = {number: i for i, number in enumerate(truth_ids)}
    ids = [row[1] for row in rows]
    return ImageMatches(
        truths=np.array(truth_ids, int) - 1,
        truth_labels=np.array(truth_labels, int),
        found=np.array(ids, int) - 1,
        labels=np.array([row[2] for row in rows], int),
        scores=np.array([row[0] for row in rows], float),
        overlaps=_overlaps(
            [_shape(evaluation.cocoDt, found[i - 1], kind) for i in ids],
            [_shape(evaluation.cocoGt, truths[i - 1], kind) for i in truth_ids],
        ),
        match=np.array([position.get(row[3], -1) for row in rows], int),
        ignored=np.array([row[4] for row in rows], bool),
    )


def _shape(coco: COCO, one: Mapping[str, Any], kind: str) -> Any:
    return coco.annToRLE(one) if kind == 'segm' else one['bbox']


def _overlaps(found: list, truths: list) -> np.ndarray:
    if not found or not truths:
        return np.zeros((len(found), len(truths)))
    return np.asarray(coco_mask.iou(found, truths, [0] * len(truths)))
