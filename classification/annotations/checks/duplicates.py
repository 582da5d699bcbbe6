"""Pictures that are nearly the same: saved anew, at another size, or neighbouring frames of a film.

Each is reduced to SIDE x SIDE pixels, and two are nearly the same where these correlate. That is
what perceptual hashes estimate from signs; with so few pixels the correlation itself is as fast.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

SIDE = 16
# Copies of a photo as JPEG of quality 30 or at a third of its size have more, others rarely 0.9.
LEAST_CORRELATION = 0.99
# Standard deviation in levels of 255; what is flatter has nothing to compare by.
_LEAST_CONTRAST = 2.0
_BLOCK = 1024  # pictures compared at once with all others


def near_duplicates(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Pairs of positions, the lower first, of images that are nearly the same.

    Damaged files are like none.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        found = pool.map(thumbnail, paths)
        bar = tqdm(found, 'duplicates', len(paths), unit='image', delay=2, leave=False)
        pictures = np.array([picture.ravel() for picture in bar], np.float32)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(pictures), _BLOCK):
        alike = pictures[start : start + _BLOCK] @ pictures[start:].T >= LEAST_CORRELATION
        rows, columns = np.nonzero(np.triu(alike, 1))
        pairs += zip((rows + start).tolist(), (columns + start).tolist(), strict=True)
    return pairs


def thumbnail(path: Path) -> np.ndarray:
    """A picture (SIDE, SIDE, 3), upright, of mean 0 and norm 1; 0 where it is flat or damaged."""
    try:
        with Image.open(path) as image:
            image.draft('RGB', (8 * SIDE, 8 * SIDE))  # a JPEG's pixels are then averaged unpacking
            whole = _as_bytes(image) if image.mode[0] in 'IF' else image.convert('RGB')
            small = whole.resize((SIDE, SIDE), Image.Resampling.BOX)
            pixels = np.asarray(ImageOps.exif_transpose(small).convert('RGB'), np.float32)
    except Exception:  # damaged files make PIL raise anything
        return np.zeros((SIDE, SIDE, 3), np.float32)
    pixels -= pixels.mean()
    return pixels / np.linalg.norm(pixels) if pixels.std() > _LEAST_CONTRAST else 0 * pixels


def _as_bytes(image: Image.Image) -> Image.Image:
    """An image of 16 bits or floats, which PIL would cut off at 255, scaled to 0..255."""
    values = np.asarray(image, np.float32)
    span = max(float(np.ptp(values)), 1e-6)
    return Image.fromarray((255 / span * (values - values.min())).astype(np.uint8))


def groups(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` positions the first one that it hangs together with by pairs."""
    first = [*range(count)]

    def root(position: int) -> int:
        while first[position] != position:
            first[position] = first[first[position]]
            position = first[position]
        return position

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        first[high] = low
    return [root(position) for position in range(count)]
