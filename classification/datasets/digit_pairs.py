"""Canvases with two handwritten digits, which ask what is near and what is far.

    image                        8 cells a side, 8x8 pixels each: a 3 here, a 7 far away
    "which digit is it?"         asked of the cell of each digit: the cell alone tells
    "which digit is the other?"  asked there too: one cell has to know of the other, far away or not

The ink is real: the 8x8 samples that scikit-learn bundles, a cell each, on an empty ground.
"""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from .digits_files import split_samples

CELL = 8  # pixels a side, as the samples have


@dataclass(frozen=True)
class Canvases:
    """Canvases and what is asked of them.

    Attributes:
        images: (N, 1, CELL side, CELL side), ink from 0 to 1.
        cells: (N, 2, 2) int64: row and column of the cell of each digit.
        digits: (N, 2) int64, 0 to 9.
    """

    images: Tensor
    cells: Tensor
    digits: Tensor

    def offsets(self) -> Tensor:
        """(N, 2, 2) int64: rows and columns from each digit to the other one."""
        return self.cells.flip(1) - self.cells


class DigitPairs:
    """Draws canvases.

    Args:
        split: 'train' or 'val': which samples may be drawn; those of the digits' datasets.
        side: cells a side, 2 or more.
        seed: equal seeds draw equal canvases.
    """

    def __init__(self, split: str, side: int, seed: int) -> None:
        samples = load_digits()
        indices = split_samples(samples, seed=0)[split]
        self.side = side
        self.ink = torch.from_numpy(samples.images[indices]).float() / 16
        self.digits = torch.from_numpy(samples.target[indices])
        self.rng = np.random.default_rng([seed, split == 'val'])

    def draw(self, count: int) -> Canvases:
        """`count` canvases, on which samples and places are uniform and independent."""
        side, rng = self.side, self.rng
        # Two different cells: the second is one of those after the first, cyclically.
        place = rng.integers(side**2, size=count)
        places = np.stack([place, (place + rng.integers(1, side**2, size=count)) % side**2], axis=1)
        cells = np.stack(np.divmod(places, side), axis=-1)
        chosen = rng.integers(len(self.ink), size=(count, 2))
        grid = torch.zeros(count, side, side, CELL, CELL)
        grid[np.arange(count)[:, None], cells[..., 0], cells[..., 1]] = self.ink[chosen]
        images = grid.permute(0, 1, 3, 2, 4).reshape(count, 1, CELL * side, CELL * side)
        return Canvases(images, torch.from_numpy(cells), self.digits[chosen])
