"""Results of many images in JSON, which are on disk as soon as they are there."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ..engine.files.atomic import atomic


class JsonLines:
    """A file of one JSON value per line, which in the end becomes one JSON file, NAME.json.

    A process that is killed leaves the lines that it has written; few are in memory at any time.

    Args:
        path: of the lines, ending in .jsonl; it is made with the first one.
    """

    def __init__(self, path: Path):
        self.path = path
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Any]:
        """The values, read anew each time."""
        if self.count:
            with self.path.open(encoding='utf-8') as file:
                yield from map(json.loads, file)

    def add(self, value: Any) -> None:
        """Write a line."""
        with self.path.open('a', encoding='utf-8') as file:
            file.write(json.dumps(value) + '\n')
        self.count += 1

    def replace_by(self, content: Iterable[Any] | Mapping[str, Iterable[Any]]) -> None:
        """Write NAME.json, a list of the values of `content` or a dict of lists; drop the lines.

        Without a line nothing is written.
        """
        if not self.count:
            return
        with (
            atomic(self.path.with_suffix('.json')) as partial,
            partial.open('w', encoding='utf-8') as file,
        ):
            if isinstance(content, Mapping):
                for i, (key, values) in enumerate(content.items()):
                    file.write(f'{", " if i else "{"}{json.dumps(key)}: ')
                    _write_list(file, values)
                file.write('}\n')
            else:
                _write_list(file, content)
                file.write('\n')
        self.path.unlink()


def _write_list(file: IO[str], values: Iterable[Any]) -> None:
    file.write('[')
    for i, value in enumerate(values):
        file.write((',\n' if i else '\n') + json.dumps(value))
    file.write(']')
