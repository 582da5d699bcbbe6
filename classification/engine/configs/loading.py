"""A config file, read for a run."""

import difflib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import UsageError
from ..files.project import PROJECT
from ..machine.slurm import join_slurm


def load_config(
    path: str | os.PathLike,
    options: Mapping[str, Any] | None = None,
    work_dir: str | os.PathLike | None = None,
    launcher: str = 'none',
) -> Config:
    """A config file as MMEngine's Config, ready for `Runner.from_cfg`.

    Args:
        path: the file; configs/… is found from any folder.
        options: {'a.b': value} to change in it.
        work_dir: where the run writes; else the config's, else work_dirs/<name of the config>.
        launcher: 'none', 'pytorch' (torchrun) or 'slurm'.

    Raises:
        UsageError: no such file, or one that does not run.
    """
    path = Path(path)
    if not path.is_file() and (PROJECT / path).is_file():
        path = PROJECT / path
    if not path.is_file():
        files = {
            file.name: file.relative_to(folder)
            for folder in (PROJECT, Path())  # of one name the own one
            for file in sorted((folder / 'configs').rglob('*.py'))
        }
        near = [str(files[name]) for name in difflib.get_close_matches(path.name, files)]
        hint = f'did you mean {" or ".join(near)}?' if near else 'check the path.'
        raise UsageError(f'Config {path} does not exist: {hint}')
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        raise UsageError('--launcher pytorch is for torchrun: use tools/dist_train.sh or _test.sh.')
    if launcher == 'slurm':
        join_slurm(os.environ)
        launcher = 'pytorch'
    try:
        with warnings.catch_warnings():
            # MMEngine imports it anew for every base in another package, and it warns each time.
            warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
            cfg = Config.fromfile(path)
        cfg.merge_from_dict(dict(options or {}))
    except Exception as error:  # a config is code, which can fail in any way
        reason = f'{type(error).__name__}, {error}'
        if isinstance(error, ImportError) and error.__context__:  # of custom_imports: why?
            reason += f': {error.__context__}'
        raise UsageError(f'Config {path} cannot be used: {" ".join(reason.split())}') from error
    cfg.launcher = launcher
    cfg.work_dir = str(work_dir or cfg.get('work_dir') or Path('work_dirs') / path.stem)
    # MMEngine draws another seed each time; a run that can be repeated is worth more.
    cfg.randomness = {**cfg.get('randomness', {})}
    if cfg.randomness.get('seed') is None:
        cfg.randomness.seed = 0
    return cfg
