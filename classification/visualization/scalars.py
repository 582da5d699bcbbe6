"""What a training logged, from the files in its work dir."""

import json
import os
from pathlib import Path
from typing import Any


def read_scalars(folder: str | os.PathLike) -> list[dict[str, Any]]:
    """The entries that MMEngine logged in a work dir, those of all parts of a run in order."""
    files = sorted(Path(folder).glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]
