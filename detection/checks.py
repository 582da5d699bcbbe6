"""Checks of annotations in COCO format."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from classification.engine.checks import require
from classification.engine.dataset_configs import dataset_paths
from classification.engine.errors import DataError, shorten_list


def check_dataset(dataset: Mapping[str, Any], cls: type[Any]) -> None:
    """Raise DataError where the file of a COCO dataset and its config do not agree.

    Args:
        dataset: config of the dataset, whose files exist.
        cls: its class; all but those in COCO format pass.
    """
    folders, ann_file = dataset_paths(dataset)
    if ann_file and hasattr(cls, 'COCOAPI'):
        classes = cls._load_metainfo(dataset.get('metainfo'))['classes']
        check_coco(ann_file, classes, folders[0])


def check_coco(path: str, classes: Sequence[str], folder: str) -> None:
    """Raise DataError for what mmdet drops silently: annotations of unknown categories, and classes
    without a category.

    Args:
        path: annotation file.
        classes: names that the config knows.
        folder: of the images, the first of which must be there.
    """
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
        require(os.path.join(folder, files[0]))
