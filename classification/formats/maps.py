"""Predicted maps of classes as PNG files."""

from collections.abc import Sequence
from pathlib import Path

from ..results import ClassMap


class PaletteMaps:
    """masks/….png, one per image: of 8 bits with a palette, or of 16 bits for over 256 classes.

    Args: as `results.writer.ResultsWriter`.
    """

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float):
        self.out = out

    def add(self, file_name: str, name: Path, result: ClassMap) -> None:
        """Write the map of an image; its values are positions in the classes, from 0."""
        file = self.out / 'masks' / f'{name}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        result.to_picture().save(file)

    def finish(self) -> None:
        """Do nothing: each map is written as it comes."""
