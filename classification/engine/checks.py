"""Checks of a config's data before anything is built, which frameworks leave out or do late."""

import json
import os
from pathlib import Path

from mmengine.registry import DATASETS

from .config import leaf_datasets
from .distributed import local_rank
from .errors import DataError, shorten_list

# The cure for data that is not there, by a part of its path.
_CURES = {
    'digits': 'make it with `python tools/make_digits.py --out data/digits`.',
    'coco': 'COCO goes to data/coco/{annotations,train2017,val2017}, or set data_root.',
    'ade': 'ADE20K goes to data/ade/ADEChallengeData2016/{images,annotations}/'
    '{training,validation}, or set data_root.',
    'imagenet': 'ImageNet goes to data/imagenet/{train,val}/<class>/, or set data_root.',
}


def check_data(cfg, *splits):
    """Fail before anything is built where the datasets of `splits` ('train', …) do not fit cfg.

    Raises:
        DataError: a file or folder is missing, or COCO categories and classes differ.
    """
    if local_rank():  # the files are large, and every process would say the same
        return
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if loader is None:
            continue
        with DATASETS.switch_scope_and_registry(cfg.get('default_scope')) as registry:
            for dataset in leaf_datasets(loader['dataset']):
                _check_dataset(dataset, registry.get(dataset['type']))
        evaluators = cfg.get(f'{split}_evaluator') or []
        for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
            if evaluator.get('ann_file'):
                _require(evaluator['ann_file'])


def _check_dataset(dataset, cls):
    root = dataset.get('data_root') or ''
    prefixes = (dataset.get('data_prefix') or {'': ''}).values()
    # Without a prefix the root alone: it may be an archive, and no path ends in FILE/.
    folders = [os.path.join(root, prefix) if prefix else root for prefix in prefixes]
    for folder in folders:
        _require(folder)
    ann_file = dataset.get('ann_file')
    if not ann_file:
        return
    ann_file = os.path.join(root, ann_file)
    _require(ann_file)
    if hasattr(cls, 'COCOAPI'):
        classes = cls._load_metainfo(dataset.get('metainfo'))['classes']
        _check_coco(ann_file, classes, folders[0])


def _require(path):
    if '://' in path or not path or os.path.exists(path):
        return
    path = Path(path)
    cures = [cure for name, cure in _CURES.items() if name in path.parts]
    cures.append('put the dataset there or set data_root in the config.')
    raise DataError(f'{path} does not exist: {cures[0]}')


def _check_coco(path, classes, folder):
    """mmdet drops annotations of unknown categories, and unknown classes, without a word."""
    try:
        content = json.loads(Path(path).read_bytes())
        names = {category['id']: category['name'] for category in content['categories']}
        files = [image['file_name'] for image in content['images'] if 'file_name' in image]
        used = {annotation['category_id'] for annotation in content.get('annotations', [])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f'{path} is not an annotation file in COCO format ({type(error).__name__}: {error}): '
            'download or make it again.'
        ) from None
    unknown = [name for name in names.values() if name not in classes]
    unknown += [f'id {number}' for number in sorted(used - names.keys())]
    absent = [name for name in classes if name not in names.values()]
    for found, problem in (
        (unknown, 'categories that the config does not know'),
        (absent, 'not the classes of the config'),
    ):
        if found:
            raise DataError(
                f'{path} has {problem} ({shorten_list(found)}): make metainfo.classes of the '
                'dataset and num_classes of the model agree with the file.'
            )
    if files:
        _require(os.path.join(folder, files[0]))
