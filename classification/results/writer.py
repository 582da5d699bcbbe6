"""The interface of what keeps the results of many images in files."""

from abc import ABC, abstractmethod
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


class RecordWriter(ABC):
    """A `ResultsWriter` that keeps all images in one file, each as a record.

    What depends on an image alone is its record; what depends on those before it, such as running
    ids, is added as the record is written. So records may be made by several processes, kept as
    JSON, and written in order by one.

    Args: as `ResultsWriter`.
    """

    @abstractmethod
    def __init__(self, out: Path, classes: Sequence[str], score_thr: float): ...

    @abstractmethod
    def record(self, file_name: str, result: Any) -> Any:
        """What the file will say of an image, as a value of JSON."""

    @abstractmethod
    def put(self, record: Any) -> None:
        """Write a record, which may have been kept as JSON."""

    def add(self, file_name: str, name: Path, result: Any) -> None:
        """As `ResultsWriter`."""
        self.put(self.record(file_name, result))

    @abstractmethod
    def finish(self) -> None:
        """As `ResultsWriter`."""
