"""What a training logged, from the files in its work dir."""

import json
import os
from pathlib import Path
from typing import Any


def read_scalars(folder: str | os.PathLike) -> list[dict[str, Any]]:
    """The entries that MMEngine logged in a work dir, those of all parts of a run in order.

    A line that a killed process left unfinished is skipped.
    """
    files = sorted(Path(folder).glob('*/vis_data/scalars.json'))
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.endswith('}')]
