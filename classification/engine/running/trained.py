"""What a training has left in its work dir: its config, its last and its best checkpoint."""

import os
from pathlib import Path

from ..errors import UsageError, shorten_list
from .stopping import CHECKPOINT


def find_trained(path: str | os.PathLike) -> tuple[Path, Path]:
    """(config, checkpoint) of a work dir, or of a checkpoint, beside which its config stands.

    Of the checkpoints in a work dir the newest `best_…` is taken, else the last; which is printed.

    Raises:
        UsageError: there is none, or no config, or several.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f'{path} does not exist: give a work dir, or a checkpoint in one.')
    if path.is_file():
        return find_config(path.parent), path
    config, checkpoint = find_config(path), find_checkpoint(path)
    print(f'{checkpoint} is used')
    return config, checkpoint


def find_config(work_dir: Path) -> Path:
    """The config that a training left in its work dir.

    Raises:
        UsageError: there is none, or there are several.
    """
    if not work_dir.is_dir():
        raise UsageError(f'{work_dir} does not exist: give the work dir of a training.')
    configs = sorted(work_dir.glob('*.py'))
    if len(configs) != 1:
        names = shorten_list([path.name for path in configs])
        found = f'{len(configs)} configs ({names})' if configs else 'no config (*.py)'
        raise UsageError(
            f'{work_dir} holds {found}, where one is expected, as training writes it: name the '
            'config and the checkpoint.'
        )
    return configs[0]


def find_checkpoint(work_dir: Path) -> Path:
    """The newest `best_…` of the checkpoints in a work dir, else the last.

    Raises:
        UsageError: there is none.
    """
    by_age = sorted(work_dir.glob('[!.]*.pth'), key=os.path.getmtime)
    if not by_age:
        raise UsageError(f'{work_dir} holds no checkpoint (*.pth): train first.')
    best = [path for path in by_age if path.name.startswith('best_')]
    return best[-1] if best else last_checkpoint(work_dir) or by_age[-1]


def last_checkpoint(work_dir: Path) -> Path | None:
    """The checkpoint that training in this folder saved last, or None."""
    pointer = work_dir / 'last_checkpoint'
    if pointer.is_file():
        last = work_dir / Path(pointer.read_text().strip()).name  # the folder may have moved
        if last.is_file():
            return last
    patterns = ('epoch_*.pth', 'iter_*.pth', CHECKPOINT)
    saved = [path for pattern in patterns for path in work_dir.glob(pattern)]
    return max(saved, key=lambda path: path.stat().st_mtime, default=None)
