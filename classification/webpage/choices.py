"""The trained models that people can choose from, found without loading any."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from ..engine.configs.datasets import dataset_paths, leaf_datasets
from ..engine.errors import UsageError, one_line
from ..engine.prediction.sources import find_images
from ..engine.running.trained import find_checkpoint, find_config
from ..exported.description import describe
from ..exported.model import is_exported
from ..exported.onnx_file import read_onnx
from ..serving.replies import TASKS

_EXAMPLES = 4


@dataclass(frozen=True)
class Choice:
    """A model to choose.

    Attributes:
        name: for people; no two have the same.
        path: as `load_model` takes it.
        task: classification, detection or segmentation.
        examples: images of the data that it is tested with, as far as they are there.
    """

    name: str
    path: Path
    task: str
    examples: tuple[Path, ...] = ()


def find_choices(folder: Path) -> list[Choice]:
    """The models of all work dirs below a folder, those of the demo first.

    Raises:
        UsageError: there is none.
    """
    found = []
    for path, folders, _ in os.walk(folder):
        folders.sort()
        try:
            find_config(Path(path)), find_checkpoint(Path(path))
            found.append(_choice(Path(path), Path(path).relative_to(folder).as_posix()))
        except UsageError:
            continue  # no work dir, or of a task that is not served
    if not found:
        raise UsageError(
            f'No work dir with a config and a checkpoint is below {folder}: train a model, such as '
            'those of `make demo`, or name a WORK_DIR.'
        )
    return sorted(found, key=lambda choice: not choice.name.startswith('demo/'))


def as_choices(paths: Sequence[Path]) -> list[Choice]:
    """Work dirs, checkpoints and exported files as choices, called by their last names.

    Raises:
        UsageError: one is no model, or is given twice.
    """
    names = Counter(path.resolve().name for path in paths)
    choices = []
    for path in paths:
        name = path.resolve().name
        choices.append(_choice(path, name if names[name] == 1 else path.as_posix()))
    if twice := [name for name, count in Counter(c.name for c in choices).items() if count > 1]:
        raise UsageError(f'{twice[0]} is given twice: name each model once.')
    return choices


def _choice(path: Path, name: str) -> Choice:
    if not path.exists():
        raise UsageError(f'{path} does not exist: give a work dir, or a checkpoint in one.')
    if is_exported(path):
        return Choice(name, path, describe(read_onnx(path)).task)
    config = find_config(path if path.is_dir() else path.parent)
    try:
        # To import what the config asks for takes seconds; its name tells the task.
        cfg = Config.fromfile(config, import_custom_modules=False)
    except Exception as error:  # a config is a program, which may fail in any way
        raise UsageError(f'{config} cannot be read ({one_line(error, 200)}): mend it.') from None
    imports = (cfg.get('custom_imports') or {}).get('imports') or ()
    packages = {name.partition('.')[0] for name in imports}
    # The packages of the other tasks stand on classification's.
    tasks = [task for task in TASKS.values() if task in packages]
    if not tasks:
        raise UsageError(f'{config} imports none of {", ".join(TASKS.values())}: train with one.')
    return Choice(name, path, tasks[-1], _examples(cfg))


def _examples(cfg: Config) -> tuple[Path, ...]:
    """Images of the test data, spread over all of them."""
    try:
        folders, _ = dataset_paths(leaf_datasets(cfg.test_dataloader.dataset)[0])
        images, _ = find_images(folders[:1])
    except (AttributeError, KeyError, TypeError, UsageError):
        return ()  # no data here, which predicting does not need
    count = min(_EXAMPLES, len(images))
    return tuple(Path(images[i * len(images) // count].file_name) for i in range(count))
