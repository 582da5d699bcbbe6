"""Shapes that people draw on images, as objects with a box or a mask too.

Each function gives an Instance of label 0 and the pixels by which what was drawn exceeds the image;
what cannot be an object is `Unusable`.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from ..files.parsing import number
from ..records import Instance
from .shapes import Unusable, check_polygon, fit_box, polygon_bounds, shorten

Size = tuple[int, int]  # width, height
Drawn = tuple[Instance, float]

# Corners of the polygon that stands for an ellipse: it has 99.8 % of the area.
ELLIPSE_CORNERS = 64


def numbers(values: Sequence[Any], kind: str) -> list[float]:
    """Finite numbers, of numbers or texts.

    Raises:
        Unusable: of the given kind, where one is none.
    """
    found = [number(value) for value in values]
    for value, text in zip(found, values, strict=True):
        if not math.isfinite(value):
            raise Unusable(kind, shorten(text))
    return found


def box_object(values: Sequence[Any], size: Size) -> Drawn:
    """A box x1, y1, x2, y2, of numbers or texts."""
    box, excess = fit_box(numbers(values, 'box that is not four numbers'), size)
    return Instance(0, box), excess


def polygon_object(outlines: Sequence[Sequence[Any]], size: Size) -> Drawn:
    """Outlines x1, y1, x2, y2, …, of numbers or texts, that together bound an object."""
    kind = 'polygon with a value that is no number'
    polygons = [numbers(outline, kind) for outline in outlines]
    excess = max(check_polygon(polygon, size) for polygon in polygons)
    box, _ = fit_box(polygon_bounds(polygons), size)
    return Instance(0, box, polygons=polygons), excess


def ellipse_object(cx: float, cy: float, rx: float, ry: float, degrees: float, size: Size) -> Drawn:
    """An ellipse, turned clockwise as it looks on a screen."""
    angles = [2 * math.pi * corner / ELLIPSE_CORNERS for corner in range(ELLIPSE_CORNERS)]
    points = [(cx + rx * math.cos(angle), cy + ry * math.sin(angle)) for angle in angles]
    return polygon_object([turned(points, degrees, (cx, cy))], size)


def turned(
    points: Sequence[tuple[float, float]], degrees: float, centre: tuple[float, float]
) -> list[float]:
    """Points turned about one clockwise, as it looks on a screen: x1, y1, x2, y2, …"""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    (cx, cy), outline = centre, []
    for x, y in points:
        dx, dy = x - cx, y - cy
        outline += [cx + cos * dx - sin * dy, cy + sin * dx + cos * dy]
    return outline


def mask_object(part: np.ndarray, left: int, top: int, size: Size) -> Drawn:
    """A mask (h, w), bool, whose first pixel is at (left, top) of the image."""
    width, height = size
    rows, columns = np.nonzero(part)
    if not len(rows):
        raise Unusable('mask without a pixel')
    rows, columns = rows + top, columns + left
    excess = max(-rows.min(), -columns.min(), rows.max() + 1 - height, columns.max() + 1 - width, 0)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    if not inside.any():
        raise Unusable('box outside the image', f'the mask begins at {left}, {top}')
    mask = np.zeros((height, width), np.uint8, order='F')
    mask[rows[inside], columns[inside]] = 1
    return _of_rle(coco_mask.encode(mask)), float(excess)


def join(parts: Sequence[Instance], size: Size) -> Instance:
    """One object of several parts, with the first one's label and record.

    Parts that are boxes count as filled where another part has a mask.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    corners = [[x1, y1, x2, y2] for x1, y1, x2, y2 in (part.box for part in parts)]
    whole = Instance(0, polygon_bounds(corners))
    if any(part.has_mask for part in parts):
        polygons = [
            outline
            for part in parts
            if part.rle is None
            for outline in part.polygons or [_outline_of_box(part)]
        ]
        masks = [part.rle for part in parts if part.rle is not None]
        if masks:
            masks += coco_mask.frPyObjects(polygons, size[1], size[0]) if polygons else []
            whole = _of_rle(coco_mask.merge(masks))
        else:
            whole.polygons = polygons
    whole.label, whole.record = first.label, first.record
    whole.crowd = any(part.crowd for part in parts)
    return whole


def _outline_of_box(instance: Instance) -> list[float]:
    x1, y1, x2, y2 = instance.box
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def _of_rle(rle: dict[str, Any]) -> Instance:
    x, y, width, height = map(float, coco_mask.toBbox(rle))
    text = dict(size=[*map(int, rle['size'])], counts=rle['counts'].decode('ascii'))
    return Instance(0, (x, y, x + width, y + height), rle=text)
