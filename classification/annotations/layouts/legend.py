"""Legends of maps: which value or colour is which class."""

import csv
import json
from pathlib import Path
from typing import Any

from ...engine.errors import DataError
from ..records import MapValue

# Names of what is not a class but left out of training and evaluation.
_IGNORED = ('ignore', 'ignored', 'void', 'unlabeled', 'unlabelled', 'unknown')


def read_legend(file: Path) -> tuple[list[str], dict[MapValue, int | None]]:
    """(names of the classes, value or colour -> label, None of what is ignored) of a legend file.

    Read are: one name a line, whose values count from 0 (.txt); `name:r,g,b:…` as CVAT writes it
    (.txt); `name,value` and `name,r,g,b`, in any order of the columns, with or without a heading
    (.csv); {name: value or [r, g, b]} (.json). Names such as void and ignore stand for pixels that
    are left out.

    Raises:
        DataError: the file cannot be read as any of these.
    """
    try:
        text = file.read_text(encoding='utf-8-sig')
        rows = _json_rows(text) if file.suffix.lower() == '.json' else _text_rows(text)
        entries = [(name, _value(numbers)) for name, numbers in rows]
        if not entries or len({value for _, value in entries}) < len(entries):
            raise ValueError('a value is missing or given twice')
        if len({type(value) for _, value in entries}) > 1:
            raise ValueError('it mixes values and colours')
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f'{file} is not a legend ({type(error).__name__}: {str(error)[:100]!r}): give a line '
            '`name,value` or `name,red,green,blue` for each class.'
        ) from None
    names = list(dict.fromkeys(name for name, _ in entries if name.lower() not in _IGNORED))
    labels = {name: label for label, name in enumerate(names)}
    return names, {value: labels.get(name) for name, value in entries}


def _json_rows(text: str) -> list[tuple[str, list[Any]]]:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError('no names in it')
    return [(name, v if isinstance(v, list) else [v]) for name, v in content.items()]


def _text_rows(text: str) -> list[tuple[str, list[Any]]]:
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and line[0] != '#']
    if all(line.count(':') >= 1 and ',' in line.split(':')[1] for line in lines):
        return [(name, numbers.split(',')) for name, numbers, *_ in (s.split(':') for s in lines)]
    if not any(',' in line for line in lines):
        return [(line, [value]) for value, line in enumerate(lines)]
    rows = []
    for position, cells in enumerate(csv.reader(lines)):
        cells = [cell.strip() for cell in cells]
        names = [cell for cell in cells if not _is_number(cell)]
        numbers = [cell for cell in cells if _is_number(cell)]
        if position == 0 and not numbers:  # the heading
            continue
        if len(names) != 1:
            raise ValueError(f'line {position + 1} does not hold one name')
        rows.append((names[0], numbers))
    return rows


def _is_number(cell: str) -> bool:
    return cell.isascii() and cell.isdigit()


def _value(numbers: list[Any]) -> MapValue:
    values = [int(number) if isinstance(number, str) else number for number in numbers]
    if len(values) not in (1, 3) or not all(type(v) is int and 0 <= v < 1 << 16 for v in values):
        raise ValueError(f'{numbers} is neither a value nor a colour')
    return values[0] if len(values) == 1 else (values[0], values[1], values[2])
