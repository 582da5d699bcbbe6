"""Predicted maps as a table of pixels per class."""

from classification.engine.files.tables import Table
from classification.results import ClassMap


class Pixels(Table):
    """results.csv: how many pixels each class has."""

    def row(self, result: ClassMap) -> list[int]:
        pixels = result.pixels()
        return [pixels.get(name, 0) for name in self.columns]
