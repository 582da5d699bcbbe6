"""Large images in overlapping tiles, and the results of the tiles merged to one.

What lies in the overlap of two tiles is seen twice and kept once. Objects are merged by what both
tiles say of the area that both see; so the parts of one that is larger than a tile are joined.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .class_map import ClassMap
from .instances import Instances, Mask
from .result import Result

_CLOSE = 2  # pixels within which a box that ends at a tile's edge counts as cut by it


@dataclass(frozen=True)
class Tile:
    """A part of an image: x1, y1, x2, y2 in pixels; of `image_size` (H, W)."""

    x1: int
    y1: int
    x2: int
    y2: int
    image_size: tuple[int, int]

    def of(self, image: np.ndarray) -> np.ndarray:
        """The tile's pixels."""
        return np.ascontiguousarray(image[self.y1 : self.y2, self.x1 : self.x2])

    def cuts(self, box: np.ndarray) -> bool:
        """Whether a box (in the image) ends at an edge of the tile that is none of the image."""
        height, width = self.image_size
        return bool(
            (self.x1 > 0 and box[0] < self.x1 + _CLOSE)
            or (self.y1 > 0 and box[1] < self.y1 + _CLOSE)
            or (self.x2 < width and box[2] > self.x2 - _CLOSE)
            or (self.y2 < height and box[3] > self.y2 - _CLOSE)
        )


def cut_tiles(height: int, width: int, side: int) -> list[Tile]:
    """Tiles of one size that cover an image; neighbours share at least a quarter of their side."""
    columns, rows = _starts(width, side), _starts(height, side)
    return [
        Tile(x, y, min(width, x + side), min(height, y + side), (height, width))
        for y in rows
        for x in columns
    ]


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = -(-(length - side) // max(1, side * 3 // 4)) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def merge(image: np.ndarray, parts: Sequence[tuple[Tile, Any]]) -> Result:
    """The result of an image from those of its tiles."""
    if isinstance(parts[0][1], ClassMap):
        return _merge_maps(image, parts)
    return _merge_instances(image, parts)


def _merge_maps(image: np.ndarray, parts: Sequence[tuple[Tile, ClassMap]]) -> ClassMap:
    """Each pixel from the tile that has most of the image around it."""
    first = parts[0][1]
    merged = np.zeros(image.shape[:2], first.map.dtype)
    columns = _seams([(tile.x1, tile.x2) for tile, _ in parts])
    rows = _seams([(tile.y1, tile.y2) for tile, _ in parts])
    for tile, part in parts:
        (x1, x2), (y1, y2) = columns[tile.x1], rows[tile.y1]
        merged[y1:y2, x1:x2] = part.map[y1 - tile.y1 : y2 - tile.y1, x1 - tile.x1 : x2 - tile.x1]
    return ClassMap(image, first.names, first.palette, merged)


def _seams(spans: Sequence[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Start of each span -> what is taken from it: up to the middle of its overlaps."""
    ordered = sorted(set(spans))
    middles = [(a[1] + b[0]) // 2 for a, b in zip(ordered, ordered[1:], strict=False)]
    starts, ends = [ordered[0][0], *middles], [*middles, ordered[-1][1]]
    return {span[0]: (a, b) for span, a, b in zip(ordered, starts, ends, strict=True)}


def _merge_instances(image: np.ndarray, parts: Sequence[tuple[Tile, Instances]]) -> Instances:
    """Instances of all tiles, each object once: as a hull of boxes and a union of masks."""
    first = parts[0][1]
    tiles = [tile for tile, part in parts for _ in range(len(part))]
    boxes = np.concatenate([p.boxes + [t.x1, t.y1, t.x1, t.y1] for t, p in parts])
    labels = np.concatenate([p.labels for _, p in parts])
    scores = np.concatenate([p.scores for _, p in parts if p.scores is not None])
    masks: list[Mask] | None = None
    if first.cut_masks is not None:
        masks = [
            Mask(mask.part, (mask.corner[0] + tile.x1, mask.corner[1] + tile.y1))
            for tile, part in parts
            for mask in part.cut_masks or ()
        ]
    group = list(range(len(boxes)))

    def leader(i: int) -> int:
        while group[i] != i:
            i = group[i]
        return i

    for i in range(len(boxes)):
        near = (labels[:i] == labels[i]) & (boxes[:i, :2] < boxes[i, 2:]).all(axis=1)
        near &= (boxes[i, :2] < boxes[:i, 2:]).all(axis=1)
        for j in np.flatnonzero(near).tolist():
            if tiles[i] is tiles[j] or leader(i) == leader(j):
                continue
            cut = tiles[i].cuts(boxes[i]) or tiles[j].cuts(boxes[j])
            common = _common(tiles[i], tiles[j])
            if masks is not None:
                same = _agree(_window(masks[i], common), _window(masks[j], common), cut)
            else:
                same = _agree_boxes(boxes[i], boxes[j], common, cut)
            if same:
                group[leader(i)] = leader(j)
    members: dict[int, list[int]] = {}
    for i in np.argsort(-scores, kind='stable').tolist():
        members.setdefault(leader(i), []).append(i)  # so the surest comes first
    merged = list(members.values())
    best = np.array([found[0] for found in merged], dtype=int)
    hulls = [np.r_[boxes[m, :2].min(axis=0), boxes[m, 2:].max(axis=0)] for m in merged]
    return Instances(
        image,
        first.names,
        first.palette,
        np.array(hulls, dtype=np.float32).reshape(-1, 4),
        labels[best],
        scores[best],
        None if masks is None else [_union([masks[i] for i in found]) for found in merged],
    )


def _common(one: Tile, other: Tile) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of the area that both tiles see; empty where x2 <= x1 or y2 <= y1."""
    return (
        max(one.x1, other.x1),
        max(one.y1, other.y1),
        min(one.x2, other.x2),
        min(one.y2, other.y2),
    )


def _window(mask: Mask, area: tuple[int, int, int, int]) -> Mask:
    """The part of a mask that lies in an area."""
    (x, y), (x1, y1, x2, y2) = mask.corner, area
    left, top = max(0, x1 - x), max(0, y1 - y)
    part = mask.part[top : max(top, y2 - y), left : max(left, x2 - x)]
    return Mask(part, (x + left, y + top))


def _agree(one: Mask, other: Mask, cut: bool) -> bool:
    areas = int(one.part.sum()), int(other.part.sum())
    box = _box(other)
    shared = _window(one, box)
    (x, y), (height, width) = shared.corner, shared.part.shape
    theirs = _window(other, (x, y, x + width, y + height))
    both = int((shared.part & theirs.part).sum()) if shared.part.size else 0
    return _enough(both, areas, cut)


def _box(mask: Mask) -> tuple[int, int, int, int]:
    (x, y), (height, width) = mask.corner, mask.part.shape
    return x, y, x + width, y + height


def _agree_boxes(
    one: np.ndarray, other: np.ndarray, area: tuple[int, int, int, int], cut: bool
) -> bool:
    def clipped(box: np.ndarray) -> np.ndarray:
        return np.r_[np.maximum(box[:2], area[:2]), np.minimum(box[2:], area[2:])]

    def size(box: np.ndarray) -> float:
        return float(np.maximum(box[2:] - box[:2], 0).prod())

    one, other = clipped(one), clipped(other)
    both = np.r_[np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])]
    return _enough(size(both), (size(one), size(other)), cut)


def _enough(both: float, areas: tuple[float, float], cut: bool) -> bool:
    """Whether more than half is shared: of what both cover, or of the smaller where one is cut."""
    whole = min(areas) if cut else sum(areas) - both
    return both > 0 and both > 0.5 * whole


def _union(masks: Sequence[Mask]) -> Mask:
    boxes = np.array([_box(mask) for mask in masks])
    x1, y1 = boxes[:, :2].min(axis=0).tolist()
    x2, y2 = boxes[:, 2:].max(axis=0).tolist()
    whole: np.ndarray = np.zeros((y2 - y1, x2 - x1), bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.tolist(), strict=True):
        whole[top - y1 : bottom - y1, left - x1 : right - x1] |= mask.part
    return Mask(whole, (x1, y1))
