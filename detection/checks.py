"""Checks of annotations in COCO format before mmdet reads them.

classification/annotations says what is wrong with a file. mmdet makes more of some of it: it stops
with a KeyError, drops objects without a word, or hands pycocotools what crashes it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset
from mmengine.config import Config

from classification.annotations.checks.cache import cached
from classification.annotations.checks.dataset import check
from classification.annotations.layouts.coco import read_coco
from classification.annotations.problems.kinds import MASKS, problem
from classification.annotations.problems.problem import Problem, Severity
from classification.annotations.problems.verdict import refuse_or_log
from classification.annotations.records import Annotations
from classification.engine.configs.datasets import dataset_paths

FATAL, DOUBTFUL, HARMLESS = Severity.FATAL, Severity.DOUBTFUL, Severity.HARMLESS

# What mmdet makes of a problem, where it is another thing than reading the rest.
_BY_MMDET = {
    # It stops in the midst of things, or trains on what is not there.
    **dict.fromkeys(
        [
            'file not in plain UTF-8',
            'no size stated',
            'record without a usable id',
            'annotation id given twice',
            'annotation of an unknown class',
            'annotation that is no object',
            'image listed twice',
            'classes in another order',
            'iscrowd that is neither 0 nor 1',
            'no area',
            'area that is no number',
            'annotation without a usable image_id',
            'no box',
            'box that is not four numbers',
            'mask of an unknown form',
            'polygon with a value that is no number',
            'polygon far outside the image',
            'run lengths of another size',
            'run lengths that are malformed',
        ],
        FATAL,
    ),
    # It drops the object.
    'area of zero or less': DOUBTFUL,
}


def check_dataset(dataset: Mapping[str, Any], cls: type[Any], cfg: Config, split: str) -> None:
    """Raise DataError where a COCO dataset cannot be used as its config says; log what is doubtful.

    Args:
        dataset: config of the dataset, whose files exist.
        cls: its class; those that read otherwise than mmdet's CocoDataset pass.
        cfg: the whole config.
        split: 'train', 'val' or 'test'.
    """
    if not _is_coco(dataset, cls):
        return
    settings = dataset.get('metainfo'), dataset.get('filter_cfg'), _load_options(dataset), split
    (folder, *_), ann_file = dataset_paths(dataset)
    problems = cached(
        [Path(str(ann_file)), Path(folder)],
        (cls.__name__, settings),
        lambda: _read(dataset, cls, split).problems,
    )
    refuse_or_log(problems, cfg.filename)


def read_annotations(dataset: Mapping[str, Any], cls: type[Any], split: str) -> Annotations | None:
    """What a dataset's config names, with all problems as they are for mmdet; None as above."""
    return _read(dataset, cls, split) if _is_coco(dataset, cls) else None


def _is_coco(dataset: Mapping[str, Any], cls: type[Any]) -> bool:
    same = isinstance(cls, type) and issubclass(cls, CocoDataset)
    names = ('load_data_list', 'parse_data_info')
    same = same and all(getattr(cls, name) is getattr(CocoDataset, name) for name in names)
    return same and bool(dataset.get('ann_file')) and '://' not in dataset['ann_file']


def _read(dataset: Mapping[str, Any], cls: type[Any], split: str) -> Annotations:
    (folder, *_), ann_file = dataset_paths(dataset)
    classes = cls._load_metainfo(dataset.get('metainfo')).get('classes')
    annotations = read_coco(Path(str(ann_file)), Path(folder), classes, split)
    options = _load_options(dataset)
    found = check(annotations)
    if not options.get('with_mask'):
        found = [replace(p, severity=HARMLESS) if p.kind in MASKS else p for p in found]
    else:
        found += _without_masks(annotations, options.get('poly2mask', True))
    severities = dict(_BY_MMDET)
    if split != 'train':
        severities['no iscrowd'] = FATAL
    found = [
        replace(p, severity=max(p.severity, severities.get(p.kind, HARMLESS)))
        if p.kind not in MASKS or options.get('with_mask')
        else p
        for p in found
    ]
    smallest = (dataset.get('filter_cfg') or {}).get('min_size', 0) if split == 'train' else 0
    sizes = [min(image.size) for image in annotations.images if image.size]
    if sizes and max(sizes) < smallest:
        detail = f'filter_cfg.min_size is {smallest}, the images are smaller'
        found.append(problem('nothing to train on', annotations.root, '', detail))
    annotations.problems = found
    return annotations


def _load_options(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of LoadAnnotations in a pipeline, wherever it stands."""
    steps: list[Any] = [dataset.get('pipeline') or ()]
    while steps:
        step = steps.pop()
        if isinstance(step, Mapping):
            if step.get('type') in ('LoadAnnotations', 'mmdet.LoadAnnotations'):
                return dict(step)
            steps += step.values()
        elif isinstance(step, list | tuple):
            steps += step
    return {}


def _without_masks(annotations: Annotations, polygons_to_masks: bool) -> list[Problem]:
    """Objects that lack what a mask head trains on."""
    found = []
    for image in annotations.images:
        for instance in image.instances:
            file = image.source or image.path
            if not instance.has_mask:
                found.append(problem('object without a mask', file, instance.record))
            elif instance.rle and not instance.crowd and not polygons_to_masks:
                kind = 'run lengths where polygons are loaded'
                found.append(problem(kind, file, instance.record))
    return found
