"""Scores of many images as one file in JSON."""

from collections.abc import Sequence
from pathlib import Path

from ..results import Scores
from .json_lines import JsonLines


class BestClasses:
    """results.json: the best classes of each image; until `finish`, a line each in results.jsonl.

    Args: as `results.writer.ResultsWriter`.
    """

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float):
        self.lines = JsonLines(out / 'results.jsonl')

    def add(self, file_name: str, name: Path, result: Scores) -> None:
        """Take the scores of an image."""
        best = [{'class': name, 'score': round(score, 5)} for name, score in result.best()]
        self.lines.add({'file_name': file_name, 'best': best})

    def finish(self) -> None:
        """Put the lines together as one file."""
        self.lines.replace_by(self.lines)
