"""The interface of what keeps the results of many images in files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class ResultsWriter(Protocol):
    """Keeps the predictions of many images in files for programs.

    Args:
        out: folder of the files.
        classes: their names.
        score_thr: instances below it are left out of files that have no scores.
    """

    def __init__(self, out: Path, classes: Sequence[str], score_thr: float): ...

    def add(self, file_name: str, name: Path, result: Any) -> None:
        """Take an image's result, which is called `file_name` in files, and `name` as a file."""

    def finish(self) -> None:
        """Bring the files into their last form; also after an interruption."""
