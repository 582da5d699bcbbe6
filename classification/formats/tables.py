"""Results of many images as a table that spreadsheets open: a row per image."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..results import ClassMap, Instances, Scores
from ..results.writer import RecordWriter


class Table(RecordWriter):
    """results.csv: a row per image, written as it comes; a subclass says what is in it.

    Args: as `results.writer.ResultsWriter`.

    Attributes:
        columns: names of the columns after the first, which is the image's.
    """

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float):
        self.path, self.score_thr = out / 'results.csv', score_thr
        self.columns = list(classes)

    def row(self, result: Any) -> Sequence[Any]:
        """The values of an image's row."""
        raise NotImplementedError

    def record(self, file_name: str, result: Any) -> list[Any]:
        """The row of an image."""
        return [file_name, *self.row(result)]

    def put(self, record: Sequence[Any]) -> None:
        """Write a row, before the first one the names of the columns."""
        new = not self.path.exists()
        with self.path.open('a', newline='', encoding='utf-8') as file:
            rows = csv.writer(file)
            if new:
                rows.writerow(['image', *self.columns])
            rows.writerow(record)

    def finish(self) -> None:
        """Do nothing: each row is written as it comes."""


class BestClass(Table):
    """results.csv: the best class of each image and its score."""

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float):
        super().__init__(out, classes, score_thr)
        self.columns = ['class', 'score']

    def row(self, result: Scores) -> tuple[str, float]:
        return result.best(1)[0]


class Counts(Table):
    """results.csv: how many instances of each class are above the threshold."""

    def row(self, result: Instances) -> list[int]:
        counts = result.above(self.score_thr).counts()
        return [counts.get(name, 0) for name in self.columns]


class Pixels(Table):
    """results.csv: how many pixels each class has."""

    def row(self, result: ClassMap) -> list[int]:
        pixels = result.pixels()
        return [pixels.get(name, 0) for name in self.columns]
