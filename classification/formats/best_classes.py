"""Scores of many images as one file in JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..results import Scores
from ..results.writer import RecordWriter
from .json_lines import JsonLines


class BestClasses(RecordWriter):
    """results.json: the best classes of each image; until `finish`, a line each in results.jsonl.

    Args: as `results.writer.ResultsWriter`.
    """

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float):
        self.lines = JsonLines(out / 'results.jsonl')

    def record(self, file_name: str, result: Scores) -> dict[str, Any]:
        """The best classes of an image."""
        best = [{'class': name, 'score': round(score, 5)} for name, score in result.best()]
        return {'file_name': file_name, 'best': best}

    def put(self, record: dict[str, Any]) -> None:
        """Take the record of an image."""
        self.lines.add(record)

    def finish(self) -> None:
        """Put the lines together as one file."""
        self.lines.replace_by(self.lines)
