"""Boxes, polygons and run lengths as people write them: what can be used, and why the rest cannot.

pycocotools takes what it gets: a coordinate of 1e9 crashes it, run lengths beyond the mask write
outside it. So everything is checked here before.
"""

import math
import reprlib
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from ..records import Box

# What a file may exceed an image by without being wrong: it was rounded, or counts from 1.
TOLERANCE = 1.0
_LARGEST = 1e6  # pixels


class Unusable(Exception):
    """A shape that cannot be used.

    Args:
        kind: a key of `problems.kinds.KINDS`.
        detail: what was found.
    """

    def __init__(self, kind: str, detail: str = ''):
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


def is_number(value: Any) -> bool:
    """Whether it is a finite int or float that can be a coordinate; no string and no bool."""
    return type(value) in (int, float) and -_LARGEST < value < _LARGEST


def fit_box(corners: Sequence[Any], size: tuple[int, int] | None) -> tuple[Box, float]:
    """(the part of a box within its image, pixels that the box exceeds the image by).

    Args:
        corners: x1, y1, x2, y2.
        size: (width, height) of the image; None where it is not known, nothing is cut off then.

    Raises:
        Unusable: no part of at least one by one pixel is left.
    """
    if len(corners) != 4 or not all(map(is_number, corners)):
        raise Unusable('box that is not four numbers', shorten(list(corners)))
    x1, y1, x2, y2 = map(float, corners)
    text = f'x {x1:g} to {x2:g}, y {y1:g} to {y2:g}'
    if x2 <= x1 or y2 <= y1:
        raise Unusable('box without area', text)
    if x2 - x1 < 1 or y2 - y1 < 1:
        raise Unusable('box smaller than a pixel', text)
    if size is None:
        return (x1, y1, x2, y2), 0.0
    width, height = size
    box = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        raise Unusable('box outside the image', f'{text}, the image is {width}x{height}')
    return box, max(-x1, -y1, x2 - width, y2 - height, 0.0)


def check_polygon(points: Any, size: tuple[int, int] | None) -> float:
    """Pixels that a polygon [x1, y1, x2, y2, …] exceeds its image (width, height) by.

    Raises:
        Unusable: it encloses nothing, or is so far outside that it cannot be meant.
    """
    if not isinstance(points, list):
        raise Unusable('mask of an unknown form', shorten(points))
    if not set(map(type, points)) <= {int, float} or not _is_finite_sum(points):
        raise Unusable('polygon with a value that is no number')
    if len(points) % 2:
        raise Unusable('polygon with half a point', f'{len(points)} values')
    if len(points) < 6:
        raise Unusable('polygon of fewer than three points', f'{len(points) // 2} points')
    xs, ys = points[::2], points[1::2]
    width, height = size or (_LARGEST / 2, _LARGEST / 2)
    excess = max(-min(xs), -min(ys), max(xs) - width, max(ys) - height, 0.0)
    if min(xs) < -width or max(xs) > 2 * width or min(ys) < -height or max(ys) > 2 * height:
        raise Unusable('polygon far outside the image', f'by {excess:.4g} pixels')
    if polygon_area(points) == 0:
        raise Unusable('polygon without area')
    if max(xs) <= 0 or max(ys) <= 0 or min(xs) >= width or min(ys) >= height:
        raise Unusable('polygon far outside the image', 'no part of it is inside')
    return excess


def polygon_area(points: Sequence[float]) -> float:
    """Area in square pixels within a polygon [x1, y1, x2, y2, …] (the shoelace formula)."""
    xs, ys = points[::2], points[1::2]
    crossed = zip(xs, ys, [*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True)
    return abs(sum([x * next_y - next_x * y for x, y, next_x, next_y in crossed])) / 2


def check_rle(rle: Any, size: tuple[int, int] | None) -> int:
    """Pixels in a mask of COCO's run lengths dict(size=[height, width], counts=list or text).

    Args:
        rle: as a file has it.
        size: (width, height) of the image, None where it is not known.

    Raises:
        Unusable: of another size than the image, or its runs do not add up to it.
    """
    shape, counts = rle.get('size'), rle.get('counts')
    if not isinstance(shape, list) or len(shape) != 2 or set(map(type, shape)) != {int}:
        raise Unusable('run lengths of another size', f'size {shorten(shape)}')
    if min(shape) < 1 or max(shape) > _LARGEST or (size and (shape[1], shape[0]) != size):
        found = f', the image is {size[0]}x{size[1]}' if size else ''
        raise Unusable('run lengths of another size', f'{shape[1]}x{shape[0]}{found}')
    if isinstance(counts, str):
        counts = [*_decode_counts(counts)]
    if (
        not isinstance(counts, list)
        or not set(map(type, counts)) <= {int}
        or min(counts, default=0) < 0
    ):
        raise Unusable('run lengths that are malformed')
    if sum(counts) != shape[0] * shape[1]:
        raise Unusable(
            'run lengths that are malformed', f'{sum(counts)} of {shape[0] * shape[1]} pixels'
        )
    pixels = sum(counts[1::2])
    if not pixels:
        raise Unusable('mask without a pixel')
    return pixels


def _decode_counts(text: str) -> Iterator[int]:
    """The run lengths in COCO's compressed text: 5 bits a character, differences from the third on.

    As rleFrString in cocoapi's common/maskApi.c.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise Unusable('run lengths that are malformed', f'at character {character!r}')
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        yield counts[-1]
        value = shift = 0
    if shift:
        raise Unusable('run lengths that are malformed', 'the text breaks off')


def rle_bounds(rle: dict[str, Any]) -> Box:
    """The smallest box around a mask of valid run lengths with at least one pixel."""
    height = rle['size'][0]  # runs go down the columns
    counts = rle['counts'] if isinstance(rle['counts'], list) else [*_decode_counts(rle['counts'])]
    ends = [*accumulate(counts)]
    runs = [(a, b - 1) for a, b in zip(ends[::2], ends[1::2], strict=False) if b > a]
    left, right = runs[0][0] // height, runs[-1][1] // height + 1
    if any(a // height != b // height for a, b in runs):  # from the foot of a column to the next
        return (left, 0, right, height)
    return (left, min(a % height for a, _ in runs), right, max(b % height for _, b in runs) + 1)


def polygon_bounds(polygons: Sequence[Sequence[float]]) -> Box:
    """The smallest box around polygons."""
    xs = [x for points in polygons for x in points[::2]]
    ys = [y for points in polygons for y in points[1::2]]
    return (min(xs), min(ys), max(xs), max(ys))


def overlap(one: Box, other: Box) -> float:
    """The boxes' intersection over their union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared) if shared else 0.0


def shorten(value: Any) -> str:
    """A value of a file for a message, in at most 40 printable characters."""
    try:
        # reprlib: a list that YAML's aliases nest in itself has a text without bound.
        text = ascii(value) if isinstance(value, str) else _escaped(reprlib.repr(value))
    except (RecursionError, ValueError):  # deep nesting, or an integer of thousands of digits
        return f'a {type(value).__name__}'
    return text if len(text) <= 40 else text[:37] + '…'


def _escaped(text: str) -> str:
    return text.encode('unicode_escape').decode()


def _is_finite_sum(values: Sequence[float]) -> bool:
    """Whether all are finite and none is huge: NaN and infinity stay in a sum."""
    try:
        return math.isfinite(sum(values)) and max(map(abs, values), default=0) < 1e12
    except OverflowError:  # an integer beyond the floats
        return False
