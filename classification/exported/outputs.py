"""What a graph gives for images, as results; nothing of it is believed before it is checked."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..results import ClassMap, Instances, Result, Scores
from ..visualization.drawing import Colour
from .masks import paste_masks

# Task -> output -> kinds of numpy's types that it may have. The first of each task are needed; a
# detector of instances gives masks, too.
OUTPUTS: Mapping[str, Mapping[str, str]] = {
    'classification': {'scores': 'f'},
    'detection': {'boxes': 'f', 'labels': 'i', 'scores': 'f', 'counts': 'i'},
    'segmentation': {'map': 'iu'},
}
MASKS = 'masks'


def to_results(
    task: str,
    outputs: Mapping[str, np.ndarray],
    pictures: Sequence[np.ndarray],
    classes: Sequence[str],
    palette: Sequence[Colour],
) -> list[Result]:
    """A result for each picture (H, W, 3).

    Args:
        task: a key of OUTPUTS.
        outputs: those of OUTPUTS, and masks where there are any.
        pictures: a batch; those of a segmentor or detector have one size.
        classes, palette: a name and an RGB colour for each class.

    Raises:
        ValueError: an output is not what its task promises; it says how, as the end of a sentence.
    """
    for name, values in outputs.items():
        if values.dtype.kind == 'f' and not np.isfinite(values).all():
            raise ValueError(f'gives {name} that are not finite')
    if task == 'detection':
        return _instances(outputs, pictures, classes, palette)
    kind: type[Scores] | type[ClassMap]
    if task == 'classification':
        name, kind, shape = 'scores', Scores, (len(classes),)
    else:
        name, kind, shape = 'map', ClassMap, pictures[0].shape[:2]
    _expect(name, outputs[name], (len(pictures), *shape))
    return [
        kind(picture, classes, palette, of_image)
        for picture, of_image in zip(pictures, outputs[name], strict=True)
    ]


def _instances(
    outputs: Mapping[str, np.ndarray],
    pictures: Sequence[np.ndarray],
    classes: Sequence[str],
    palette: Sequence[Colour],
) -> list[Result]:
    """From the detections of all images one after another, of which `counts` are each image's."""
    boxes, labels, scores = outputs['boxes'], outputs['labels'], outputs['scores']
    counts, masks = outputs['counts'], outputs.get(MASKS)
    total = len(boxes) if boxes.ndim else 0
    _expect('boxes', boxes, (total, 4))
    _expect('labels', labels, (total,))
    _expect('scores', scores, (total,))
    _expect('counts', counts, (len(pictures),))
    if masks is not None:
        if masks.ndim != 3 or len(masks) != total or (total and not masks[0].size):
            raise ValueError(f'gives masks of shape {masks.shape} for {total} objects')
    if total and not (0 <= labels.min() and labels.max() < len(classes)):
        raise ValueError(f'gives labels beyond the {len(classes)} classes')
    if counts.min() < 0 or counts.max() > total or counts.sum() != total:
        raise ValueError(f'gives {total} objects, and counts others')
    results: list[Result] = []
    for picture, end, count in zip(pictures, counts.cumsum(), counts, strict=True):
        own = slice(int(end - count), int(end))
        pasted = None if masks is None else paste_masks(masks[own], boxes[own], picture.shape[:2])
        results.append(
            Instances(picture, classes, palette, boxes[own], labels[own], scores[own], pasted)
        )
    return results


def _expect(name: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise ValueError(f'gives {name} of shape {values.shape} where {shape} is due')
