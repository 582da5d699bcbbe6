"""What a training logged, from the files in its work dir."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any


def read_scalars(folder: str | os.PathLike) -> list[dict[str, Any]]:
    """The entries that MMEngine logged in a work dir, those of all parts of a run in order.

    The last line of a killed part, which may be cut off, is left out where it is.
    """
    entries = []
    for file in sorted(Path(folder).glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            with suppress(json.JSONDecodeError):
                entries.append(json.loads(line))
    return entries
