"""The config and the checkpoint of a trained model, found in its work dir."""

import os
from pathlib import Path

from .errors import UsageError


def find_trained(path: str | os.PathLike) -> tuple[Path, Path]:
    """(config, checkpoint) of a work dir, or of a checkpoint, beside which its config stands.

    Of the checkpoints in a work dir the newest `best_…` is taken, else the last; which is printed.

    Raises:
        UsageError: there is none, or no config, or several.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f'{path} does not exist: give a work dir, or a checkpoint in one.')
    folder = path if path.is_dir() else path.parent
    configs = sorted(folder.glob('*.py'))
    if len(configs) != 1:
        found = f'{len(configs)} configs' if configs else 'no config'
        raise UsageError(
            f'{folder} holds {found} (*.py), where one is expected, as training writes it: give '
            'CONFIG and CHECKPOINT.'
        )
    if path.is_file():
        return configs[0], path
    checkpoint = _best_or_last(folder)
    print(f'{checkpoint} is used')
    return configs[0], checkpoint


def _best_or_last(folder: Path) -> Path:
    best = sorted(folder.glob('best_*.pth'), key=os.path.getmtime)
    if best:
        return best[-1]
    pointer = folder / 'last_checkpoint'
    if pointer.is_file():  # the folder may have been moved since
        last = folder / Path(pointer.read_text().strip()).name
        if last.is_file():
            return last
    every = sorted(folder.glob('*.pth'), key=os.path.getmtime)
    if not every:
        raise UsageError(f'{folder} holds no checkpoint (*.pth): train first.')
    return every[-1]
