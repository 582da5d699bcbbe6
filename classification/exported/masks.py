"""Masks of objects, pasted into their image.

A detector gives a mask as a small square of probabilities that is stretched over the object's box.
What is computed here is mmdet's `_do_paste_mask` with torch's `grid_sample` on a CPU: in 32 bits,
in the same order, and with each product and sum rounded once, as processors with fused
multiply-add do, so that the very same pixels reach the threshold.
"""

from collections.abc import Sequence

import numpy as np

from ..results import Mask

_THRESHOLD = 0.5
_AT_ONCE = 1 << 18  # pixels of a mask that are computed at one time
_Numbers = np.ndarray | np.float32


def paste_masks(
    probabilities: np.ndarray, boxes: np.ndarray, size: tuple[int, int]
) -> Sequence[Mask]:
    """The pixels of objects in an image.

    No more than the part of the image around each box is held in memory.

    Args:
        probabilities: (N, h, w) float.
        boxes: (N, 4) float, x1, y1, x2, y2 in pixels of the image, beyond which they may go.
        size: (H, W) of the image.
    """
    height, width = size
    masks = []
    for square, (x1, y1, x2, y2) in zip(
        probabilities.astype(np.float32), boxes.astype(np.float32), strict=True
    ):
        left, right = _span(x1, x2, width)
        top, bottom = _span(y1, y2, height)
        part = np.zeros((max(0, bottom - top), max(0, right - left)), bool)
        if part.size:
            columns = _positions(left, right, x1, x2, square.shape[1])
            rows = _positions(top, bottom, y1, y2, square.shape[0])
            step = max(1, _AT_ONCE // part.shape[1])
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                part[start : start + step] = _sample(square, some, columns) >= _THRESHOLD
        masks.append(Mask.of(part, (left, top)))
    return masks


def _span(start: np.float32, end: np.float32, length: int) -> tuple[int, int]:
    """First pixel, and the one after the last, that a side of a box can reach."""
    return max(0, int(np.floor(start)) - 1), min(length, int(np.ceil(end)) + 1)


def _positions(
    first: int, stop: int, start: np.float32, end: np.float32, length: int
) -> np.ndarray:
    """Where the centres of pixels lie in a mask's own pixels, whose first has its centre at 0.

    Of a box without extent all are in its middle.
    """
    centres = np.arange(first, stop, dtype=np.float32) + np.float32(0.5)
    with np.errstate(divide='ignore', invalid='ignore'):
        inside = (centres - start) / (end - start) * np.float32(2) - np.float32(1)
    inside[np.isinf(inside)] = 0
    return _multiply_add(inside + np.float32(1), np.float32(length / 2), np.float32(-0.5))


def _sample(square: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Values (R, C) between those of a square, linear in both directions, 0 beyond its edge."""
    padded = np.pad(square, 1)  # a margin of zeros, from which the outside is read
    top, south = _neighbours(rows[:, None], square.shape[0])
    left, east = _neighbours(columns[None], square.shape[1])
    north, west = np.float32(1) - south, np.float32(1) - east
    total = padded[top, left] * (north * west)
    total = _multiply_add(padded[top, left + 1], north * east, total)
    total = _multiply_add(padded[top + 1, left], south * west, total)
    return _multiply_add(padded[top + 1, left + 1], south * east, total)


def _multiply_add(a: np.ndarray, b: _Numbers, c: _Numbers) -> np.ndarray:
    """a * b + c as processors compute it in one: a product of 32-bit numbers fits into 64."""
    return (a.astype(np.float64) * b + c).astype(np.float32)


def _neighbours(positions: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(what is before each position in a padded square; how far the position is towards the next).

    What has nothing but margin around it, and NaN, which comes of a pixel on the edge of a box
    without extent, is put at the first of the margin, whose next has no share.
    """
    inside = (positions > -1) & (positions < length)
    positions = np.where(inside, positions, np.float32(-1))
    before = np.floor(positions)
    return before.astype(np.intp) + 1, positions - before
