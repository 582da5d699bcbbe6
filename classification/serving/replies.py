"""Results as what a server answers: JSON, and pictures."""

import base64
import io
from typing import Any

from PIL import Image

from ..results import ClassMap, Instances, Result, Scores
from ..results.outlines import outlines
from ..results.rle import encode_rle
from .refusal import Refusal

TASKS: dict[type[Result], str] = {
    Scores: 'classification',
    Instances: 'detection',
    ClassMap: 'segmentation',
}
# How a task's masks can be written in JSON, the first by default.
_MASKS: dict[str, tuple[str, ...]] = {
    'detection': ('rle', 'polygon'),
    'segmentation': ('png', 'rle'),
}
# Least score of what is answered, unless the client says otherwise.
THRESHOLDS = {'classification': 0.0, 'detection': 0.3, 'segmentation': 0.0}


def task_name(result: Result) -> str:
    """The task that gives such results."""
    return next(name for kind, name in TASKS.items() if isinstance(result, kind))


def check_options(task: str, format: str, masks: str | None) -> None:
    """Raise Refusal where a task's results cannot be answered in this way."""
    kinds = _MASKS.get(task, ())
    if masks is not None and masks not in kinds:
        known = f'takes masks={" or ".join(kinds)}' if kinds else 'has no masks'
        raise Refusal(422, f'A model of {task} {known}, not masks={masks}.')
    if format == 'png' and task != 'segmentation':
        raise Refusal(422, f'A model of {task} gives no map of classes: take format=overlay.')


def to_json(result: Result, threshold: float | None, masks: str | None) -> dict[str, Any]:
    """A result as values of JSON, with the size of the upright image, in whose pixels it is.

    Args:
        result: of any task.
        threshold: least score of what is answered; None takes the task's default.
        masks: how masks are written, of those that the task has; None takes its first.
    """
    task = task_name(result)
    threshold = THRESHOLDS[task] if threshold is None else threshold
    height, width = result.image.shape[:2]
    answer: dict[str, Any] = {'task': task, 'width': width, 'height': height}
    if isinstance(result, Scores):
        answer['classes'] = [
            {'class': name, 'score': round(score, 5)}
            for name, score in result.best()
            if score >= threshold
        ]
    elif isinstance(result, Instances):
        answer['instances'] = _instances(result.above(threshold), masks)
    elif isinstance(result, ClassMap):
        answer |= _map(result, masks)
    return answer


def _instances(found: Instances, masks: str | None) -> list[dict[str, Any]]:
    annotations = found.to_coco()
    for i, annotation in enumerate(annotations):
        annotation['class'] = found.names[found.labels[i]]
        if masks == 'polygon' and found.cut_masks is not None:
            annotation['segmentation'] = [
                outline.ravel().tolist() for outline in outlines(found.cut_masks[i])
            ]
    return annotations


def _map(result: ClassMap, masks: str | None) -> dict[str, Any]:
    counts = result.counts()
    classes: list[dict[str, Any]] = [
        {'class': result.names[label], 'label': label, 'pixels': int(counts[label])}
        for label in result.present()
    ]
    if masks != 'rle':
        png = base64.b64encode(to_png(result.to_picture())).decode()
        return {'classes': classes, 'png': png}
    for entry in classes:
        entry['segmentation'] = encode_rle(result.map == entry['label'])
    return {'classes': classes}


def draw(result: Result, threshold: float | None) -> bytes:
    """The result over its image, as the content of a PNG file."""
    threshold = THRESHOLDS[task_name(result)] if threshold is None else threshold
    return to_png(result.draw(threshold))


def draw_map(result: ClassMap) -> bytes:
    """The labels of a map, as the content of a palette PNG file."""
    return to_png(result.to_picture())


def to_png(picture: Image.Image) -> bytes:
    """The content of a PNG file."""
    file = io.BytesIO()
    picture.save(file, 'PNG')
    return file.getvalue()
