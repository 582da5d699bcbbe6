"""Results of many images as a table that spreadsheets open."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Table:
    """results.csv: a row per image, written as it comes; a subclass says what is in it.

    Args: as `task.ResultsWriter`.

    Attributes:
        columns: names of the columns after the first, which is the image's.
    """

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float):
        self.path, self.score_thr = out / 'results.csv', score_thr
        self.columns = list(classes)

    def row(self, result: Any) -> Sequence[Any]:
        """The values of an image's row."""
        raise NotImplementedError

    def add(self, file_name: str, name: Path, result: Any) -> None:
        """Write a row, before the first one the names of the columns."""
        new = not self.path.exists()
        with self.path.open('a', newline='', encoding='utf-8') as file:
            rows = csv.writer(file)
            if new:
                rows.writerow(['image', *self.columns])
            rows.writerow([file_name, *self.row(result)])

    def finish(self) -> None:
        """Do nothing: each row is written as it comes."""
