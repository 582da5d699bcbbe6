"""Handwritten digits as pictures: their names and colours, and what draws them.

The ink is real: the 1797 samples that scikit-learn bundles (the test part of UCI's "Optical
Recognition of Handwritten Digits", Alpaydin and Kaynak, CC BY 4.0), so nothing is downloaded.
Everything around it is drawn: each 8x8 sample is enlarged, tilted, coloured and laid over clutter.
`digits_files` writes datasets of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import cv2
import numpy as np

CLASSES = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')
PALETTE = (
    (230, 25, 75),
    (60, 180, 75),
    (255, 225, 25),
    (0, 130, 200),
    (245, 130, 48),
    (145, 30, 180),
    (70, 240, 240),
    (240, 50, 230),
    (210, 245, 60),
    (250, 190, 190),
)
SEG_CLASSES = ('background', *CLASSES)
SEG_PALETTE = ((120, 120, 120), *PALETTE)
FOLDERS = tuple(f'{digit}_{name}' for digit, name in enumerate(CLASSES))

MIN_VISIBLE = 0.8  # a digit that would hide more than 20 % of another is moved or left out
MIN_CONTRAST = 70  # between a digit and the mean of what it covers, in grey levels of 255
LUMA = np.array([0.299, 0.587, 0.114])


def _setting(default: float, text: str) -> Any:
    return field(default=default, metadata={'help': text})


@dataclass(frozen=True)
class Settings:
    """What a dataset of digits depends on; equal settings give byte-identical files.

    Raises:
        ValueError: settings that cannot work.
    """

    seed: int = _setting(0, 'of the split and of everything drawn')
    train_scenes: int = _setting(300, 'scenes for detection and segmentation')
    val_scenes: int = _setting(100, 'scenes for detection and segmentation')
    scene_size: int = _setting(128, 'side of a scene, pixels')
    patch_size: int = _setting(64, 'side of a classification picture, pixels')
    train_renderings: int = _setting(4, 'classification pictures per training sample')
    val_renderings: int = _setting(1, 'classification pictures per validation sample')
    min_digits: int = _setting(2, 'fewest digits drawn in a scene')
    max_digits: int = _setting(5, 'most digits drawn in a scene')
    min_height: int = _setting(28, 'least height of a digit, pixels')
    max_height: int = _setting(56, 'greatest height of a digit, pixels')
    clutter: float = _setting(1.0, 'contrast and number of the shapes behind, relative')
    plain: int = _setting(0, '1 draws white ink on black: no colour, clutter or noise')

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name not in ('seed', 'clutter', 'plain') and getattr(self, item.name) < 1:
                raise ValueError(f'{item.name} must be at least 1')
        if self.seed < 0 or self.clutter < 0:
            raise ValueError('seed and clutter must not be negative')
        if self.min_digits > self.max_digits or self.min_height > self.max_height:
            raise ValueError('min_digits and min_height must not exceed max_digits and max_height')
        if self.max_height > min(self.patch_size, self.scene_size):
            raise ValueError('max_height must fit into patch_size and scene_size')


def glyph(sample: np.ndarray, height: int, limit: int, rng: np.random.Generator) -> np.ndarray:
    """One handwritten sample, (8, 8) in 0..16, as a pen stroke's coverage (h, w) in 0..1.

    h is `height`, less only where w would exceed `limit`. An 8x8 value is the mean ink of a cell,
    which closes loops and thins faint strokes: sharpening the smooth enlargement undoes most of
    that, and cutting it at about half then gives the outline of a bold pen.
    """
    ink: np.ndarray = cv2.resize(np.pad(sample / 16.0, 2), (96, 96), interpolation=cv2.INTER_CUBIC)
    ink += 2 * (ink - cv2.GaussianBlur(ink, (0, 0), 10))  # 10 of 96 pixels: 1.2 cells
    turn = cv2.getRotationMatrix2D((47.5, 47.5), rng.uniform(-15, 15), 1.0)
    ink = cv2.warpAffine(ink, turn, (96, 96), flags=cv2.INTER_LINEAR)
    level = rng.uniform(0.42, 0.52)
    rows, columns = (np.flatnonzero((ink > level).any(axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min(height / ink.shape[0], limit / ink.shape[1])
    width, height = (max(1, round(side * scale)) for side in ink.shape[::-1])
    ink = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA)
    # Sharpened ink falls from 1 to 0 over about half a cell, 4 * scale pixels here: this slope
    # leaves an edge one pixel wide, centred on the level that also bounds the mask.
    return np.clip((ink - level) * max(1.0, 4 * scale) + 0.5, 0, 1)


def background(size: int, clutter: float, rng: np.random.Generator) -> np.ndarray:
    """A cluttered background (size, size, 3), float: a gradient, blotches, thin lines, polygons."""
    base = rng.uniform(40, 215, 3)
    ramp = np.linspace(-1, 1, size)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * ramp[:, None] + np.sin(angle) * ramp[None]
    cells = max(2, size // 16)
    blotches = cv2.resize(
        rng.normal(0, 12, (cells, cells, 3)), (size, size), interpolation=cv2.INTER_CUBIC
    )
    ground = base + slope[..., None] * rng.normal(0, 18, 3) + clutter * blotches
    canvas = np.clip(ground, 0, 255).astype(np.uint8)
    for _ in range(rng.poisson(6 * clutter * (size / 64) ** 2)):
        colour = np.clip(base + clutter * rng.normal(0, 32, 3), 0, 255).tolist()
        centre, reach = rng.uniform(0, size, 2), rng.uniform(8, 32)
        thickness = int(rng.integers(1, 3))  # thinner than any pen stroke: clutter is not writing
        kind = rng.integers(3)
        if kind == 0:
            ends = centre + reach * rng.uniform(-2, 2, (2, 2))
            one, other = (tuple(map(int, end)) for end in ends)
            cv2.line(canvas, one, other, colour, thickness, cv2.LINE_AA)
        elif kind == 1:
            corners = centre + reach * rng.uniform(-0.7, 0.7, (int(rng.integers(3, 6)), 2))
            cv2.fillConvexPoly(
                canvas, cv2.convexHull(corners.astype(np.int32)), colour, cv2.LINE_AA
            )
        else:
            start = int(rng.integers(360))
            cv2.ellipse(
                canvas,
                tuple(map(int, centre)),
                (int(reach), int(reach * 0.7)),
                start,
                0,
                int(rng.integers(90, 300)),
                colour,
                thickness,
                cv2.LINE_AA,
            )
    return canvas.astype(float)


def contrasting(ground: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An RGB colour, (3,), at least MIN_CONTRAST grey levels from `ground`, (3,)."""
    while True:  # the worst ground, mid-grey, still leaves one colour in six
        colour = rng.uniform(0, 255, 3)
        if abs((colour - ground) @ LUMA) >= MIN_CONTRAST:
            return colour


def render(
    size: int, samples: Sequence[np.ndarray], settings: Settings, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the (8, 8) `samples` over clutter, each wholly inside and later ones on top.

    A digit is left out if no position is found where all digits keep MIN_VISIBLE of their ink, so
    that unlabelled ink is never shown.

    Returns:
        The picture (size, size, 3) uint8, and the owner of each pixel (size, size) int: -1 for the
        background, else the index in `samples` of the digit seen there.
    """
    black = np.zeros((size, size, 3))
    picture = black if settings.plain else background(size, settings.clutter, rng)
    owners = np.full((size, size), -1)
    full = np.zeros(len(samples), int)
    for index, sample in enumerate(samples):
        for _ in range(30):
            height = int(rng.integers(settings.min_height, settings.max_height + 1))
            alpha = glyph(sample, height, settings.max_height, rng)
            top, left = (int(rng.integers(size - side + 1)) for side in alpha.shape)
            window = np.s_[top : top + alpha.shape[0], left : left + alpha.shape[1]]
            trial = owners.copy()
            trial[window][alpha > 0.5] = index
            full[index] = (alpha > 0.5).sum()
            seen = np.bincount(trial[trial >= 0], minlength=len(samples))
            drawn = np.unique(owners[owners >= 0])
            if (seen[drawn] >= MIN_VISIBLE * full[drawn]).all():
                ground = picture[window][alpha > 0.5].mean(0)
                colour = 255.0 if settings.plain else contrasting(ground, rng)
                picture[window] += alpha[..., None] * (colour - picture[window])
                owners = trial
                break
    if not settings.plain:
        picture += rng.normal(0, rng.uniform(2, 9), picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), owners
