"""Tables in Markdown.

The cells are not padded to columns, as prettytable's are: in a committed page one longer cell would
then change every line of its table.
"""

from collections.abc import Iterable, Sequence
from typing import Any


def markdown(titles: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table, without a line end after its last row."""
    lines = [row(titles), '|---' * len(titles) + '|', *map(row, rows)]
    return '\n'.join(lines)


def row(cells: Sequence[Any]) -> str:
    """A line of a Markdown table."""
    return f'| {" | ".join(map(str, cells))} |'


def cost(seconds: float, memory: float | None) -> str:
    """Milliseconds and MB of bytes, '3 (18)'; memory is None where it is not known."""
    return f'{seconds * 1e3:.0f}' + ('' if memory is None else f' ({memory / 1e6:.0f})')
