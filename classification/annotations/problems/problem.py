"""What is wrong with annotated images, and how wrong."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


class Severity(enum.IntEnum):
    """How much a problem matters; greater is worse."""

    HARMLESS = 0  # worth knowing
    DOUBTFUL = 1  # it can be trained on, but is probably not what was meant
    FATAL = 2  # nothing is trained before it is mended


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        severity: how much it matters.
        kind: the same words for all problems of a kind, such as 'box outside the image'.
        file: the file that has it.
        record: which part of the file, such as 'annotation 17', 'line 3'; '' for all of it.
        detail: what was found, in a few words; may be ''.
        cure: what to do about it, in the imperative.
    """

    severity: Severity
    kind: str
    file: Path
    record: str = ''
    detail: str = ''
    cure: str = ''

    def __str__(self) -> str:
        place = f'{self.file}, {self.record}' if self.record else str(self.file)
        detail = f' ({self.detail})' if self.detail else ''
        text = f'{place}: {self.kind}{detail}' + (f': {self.cure}' if self.cure else '')
        return printable(text)


def printable(text: str) -> str:
    """A text with its control characters escaped: file names may hold what drives a terminal."""
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in text)


def worst(problems: Iterable[Problem]) -> Severity | None:
    """The highest severity, None without problems."""
    return max((problem.severity for problem in problems), default=None)
