"""Pictures of an image with its errors: the truth, and what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw
from pycocotools import mask as coco_mask

from classification.visualization.drawing import Canvas, Label, draw_labels, hstack, line_width
from classification.visualization.lines import shorten
from classification.visualization.page_style import BLUE, ORANGE, VERMILLION

from .errors import IGNORED, RIGHT
from .images import ImageOutcome

_GREY = '#808080'


@dataclass
class Mark:
    """A box (x, y, width, height) with a mask (H, W) or None, in a colour, and its text."""

    box: Sequence[float]
    mask: np.ndarray | None
    colour: str
    text: str


def draw_errors(
    image: np.ndarray,
    outcome: ImageOutcome,
    truths: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    crowds: Sequence[Mapping[str, Any]] = (),
) -> Image.Image:
    """The truth on the left and the detections on the right.

    Blue is right, orange an object that was not found, vermillion a false detection with its kind,
    grey a crowd and what lies on it.

    Args:
        image: (H, W, 3) uint8, RGB.
        outcome: of the image.
        truths, found: of all images, in COCO's format: what the positions in `outcome.seen` mean.
        classes: their names.
        crowds: the image's, in COCO's format.
    """
    size = image.shape[:2]
    seen = outcome.seen
    left = [Mark(crowd['bbox'], None, _GREY, 'crowd') for crowd in crowds]
    for number, label, lost in zip(seen.truths, seen.truth_labels, outcome.lost, strict=True):
        truth, colour = truths[number], ORANGE if lost else BLUE
        text = f'{"not found: " if lost else ""}{shorten(classes[label])}'
        left.append(Mark(truth['bbox'], read_mask(truth, size), colour, text))
    right = []
    for number, kind, label, score in zip(
        seen.found, outcome.kinds, seen.labels, seen.scores, strict=True
    ):
        text = f'{shorten(classes[label])} {score:.2f}'
        text = text if kind in (RIGHT, IGNORED) else f'{kind}: {text}'
        colour = {RIGHT: BLUE, IGNORED: _GREY}.get(kind, VERMILLION)
        right.append(Mark(found[number]['bbox'], read_mask(found[number], size), colour, text))
    return hstack(draw_marks(image, left), draw_marks(image, right[::-1]))  # the surest on top


def draw_marks(image: np.ndarray, marks: Sequence[Mark]) -> Image.Image:
    """Marks over an image (H, W, 3), the last on top; a small image is enlarged."""
    canvas = Canvas(image)
    k = canvas.scale
    colours = [ImageColor.getrgb(mark.colour)[:3] for mark in marks]
    for mark, colour in zip(marks, colours, strict=True):
        if mark.mask is not None:
            canvas.paint(mark.mask, colour)
    picture = canvas.to_picture()
    draw = ImageDraw.Draw(picture)
    labels = []
    for mark, colour in zip(marks, colours, strict=True):
        x, y, width, height = (float(side) * k for side in mark.box)
        box = x, y, x + max(width - 1, 0), y + max(height - 1, 0)
        draw.rectangle(box, outline=colour, width=line_width(picture) + 1)
        labels.append(Label(box, mark.text, colour))
    draw_labels(picture, labels[::-1])
    return picture


def read_mask(one: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray | None:
    """The mask (H, W) of polygons or of an RLE; None without one, or with one of another size."""
    shape = one.get('segmentation')
    if not shape:
        return None
    if isinstance(shape, list):
        shape = coco_mask.merge(coco_mask.frPyObjects(shape, *size))
    elif isinstance(shape['counts'], list):
        shape = coco_mask.frPyObjects(shape, *size)
    mask = coco_mask.decode(shape)
    return mask.astype(bool) if mask.shape == size else None
