"""Checks of a config's data before anything is built; frameworks leave them out or do them late."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from ..errors import DataError
from ..machine.ranks import local_rank
from ..task import task_of
from .datasets import dataset_paths, leaf_datasets
from .heads import class_counts

# The cure for data that is not there, by a part of its path.
_CURES = {
    'digits': 'make it with `python tools/make_digits.py --out data/digits`.',
    'coco': 'COCO goes to data/coco/{annotations,train2017,val2017}, or set data_root.',
    'ade': 'ADE20K goes to data/ade/ADEChallengeData2016/{images,annotations}/'
    '{training,validation}, or set data_root.',
    'imagenet': 'ImageNet goes to data/imagenet/{train,val}/<class>/, or set data_root.',
}


def check_data(cfg: Config, *splits: str) -> None:
    """Fail before anything is built where the datasets of `splits` ('train', …) do not fit cfg.

    What is wrong but can be trained on is logged.

    Raises:
        DataError: a file or folder is missing, or the task finds that file and config disagree.
    """
    if local_rank():  # the files are large, and every process would say the same
        return
    task = task_of(cfg)
    for split in splits:
        for dataset, cls in _datasets(cfg, split):
            _check_classes(cfg, dataset, cls)
            task.check_dataset(dataset, cls, cfg, split)
        evaluators = cfg.get(f'{split}_evaluator') or []
        for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
            if evaluator.get('ann_file'):
                require(evaluator['ann_file'])


def read_data(cfg: Config) -> list[Any]:
    """What the task of a config reads of its datasets, each once; see `Task.read_annotations`.

    Raises:
        DataError: a file or folder is missing, or cannot be read at all.
    """
    seen: list[Mapping[str, Any]] = []
    found = []
    for split in ('train', 'val', 'test'):
        for dataset, cls in _datasets(cfg, split):
            if dataset not in seen:  # most configs test on the data that they validate with
                seen.append(dataset)
                found.append(task_of(cfg).read_annotations(dataset, cls, split))
    return [annotations for annotations in found if annotations is not None]


def _datasets(cfg: Config, split: str) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """(config, class) of each dataset of a split, whose files are there."""
    loader = cfg.get(f'{split}_dataloader')
    if loader is None:
        return
    with DATASETS.switch_scope_and_registry(cfg.get('default_scope')) as registry:
        for dataset in leaf_datasets(loader['dataset']):
            folders, ann_file = dataset_paths(dataset)
            for path in (*folders, *filter(None, [ann_file])):
                require(path)
            yield dataset, registry.get(dataset['type'])


def _check_classes(cfg: Config, dataset: Mapping[str, Any], cls: Any) -> None:
    """Raise DataError where a head of the model has not as many classes as the dataset names."""
    load = getattr(cls, '_load_metainfo', None)
    classes = load(dataset.get('metainfo')).get('classes') if load else None
    if isinstance(classes, str):
        raise DataError(
            f'metainfo.classes of the dataset is the text {classes!r}, not a list: '
            f'write ({classes!r},) with a comma for one class.'
        )
    if classes is None:
        return
    for path, count in class_counts(cfg.get('model') or {}):
        if count != len(classes):
            raise DataError(
                f'{path} is {count}, and the dataset {dataset["type"]} names {len(classes)} '
                f'classes: set {path}={len(classes)}, or make metainfo.classes of the dataset '
                'agree with the model.'
            )


def require(path: str) -> None:
    """Raise DataError, with the cure, where a local path does not exist."""
    if '://' in path or not path or os.path.exists(path):
        return
    parts = Path(path).parts
    cures = [cure for name, cure in _CURES.items() if name in parts]
    cures.append('put the dataset there or set data_root in the config.')
    raise DataError(f'{Path(path)} does not exist: {cures[0]}')
