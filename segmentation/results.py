"""Predicted maps of classes as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


class PaletteMaps:
    """masks/….png, one per image: of 8 bits with a palette, or of 16 bits for over 256 classes.

    Args:
        out: folder around masks/.
        palette: an RGB colour for each class.
    """

    def __init__(self, out: Path, palette: Sequence[tuple[int, int, int]]):
        self.out = out
        self.palette = np.array(palette, np.uint8)

    def add(self, path: Path, name: Path, sample: Any) -> None:
        """Write the map of an image; its values are positions in the classes, from 0."""
        labels = sample.pred_sem_seg.data[0].cpu().numpy()
        if len(self.palette) > 256:
            picture = Image.fromarray(labels.astype(np.uint16))
        else:
            picture = Image.fromarray(labels.astype(np.uint8))
            picture.putpalette(self.palette.ravel().tolist())
        file = self.out / 'masks' / f'{name}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)

    def finish(self) -> None:
        """Do nothing: each map is written as it comes."""
