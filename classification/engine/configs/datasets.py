"""The datasets in a config, and where their files are."""

import os
from collections.abc import Mapping
from typing import Any, TypeVar

DatasetConfig = TypeVar('DatasetConfig', bound=Mapping[str, Any])


def leaf_datasets(dataset: DatasetConfig) -> list[DatasetConfig]:
    """The configs of the datasets inside wrappers such as RepeatDataset and ConcatDataset."""
    inner = dataset.get('datasets', [dataset['dataset']] if 'dataset' in dataset else [])
    return [leaf for child in inner for leaf in leaf_datasets(child)] or [dataset]


def dataset_paths(dataset: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """(folders of the files, annotation file or None) of a dataset's config."""
    root = dataset.get('data_root') or ''
    prefixes = (dataset.get('data_prefix') or {'': ''}).values()
    # Without a prefix the root alone: it may be an archive, and no path ends in FILE/.
    folders = [os.path.join(root, prefix) if prefix else root for prefix in prefixes]
    ann_file = dataset.get('ann_file')
    return folders, os.path.join(root, ann_file) if ann_file else None
