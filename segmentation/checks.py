"""Checks of annotated maps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.datasets import BaseSegDataset

from classification.annotations.checks.cache import cached
from classification.annotations.checks.dataset import check
from classification.annotations.files.images import list_images
from classification.annotations.layouts.maps import read_pairs
from classification.annotations.problems.kinds import problem
from classification.annotations.problems.verdict import refuse_or_log
from classification.annotations.records import Annotations, MapValue
from classification.engine.configs.datasets import dataset_paths
from classification.engine.errors import DataError
from classification.engine.running.samples import ReproducibleDataset

from .datasets import ListedMaps


def check_sample(dataset: ReproducibleDataset, sample: Mapping[str, Any], index: int) -> None:
    """Raise DataError for a label beyond the classes.

    It would end in an index error in training, or be lost in evaluation.
    """
    truth = getattr(sample.get('data_samples'), 'gt_sem_seg', None)
    labels = getattr(truth, 'data', None)
    if labels is None:
        return
    ignored = getattr(dataset, 'ignore_index', 255)
    odd = labels[(labels >= dataset.num_classes) & (labels != ignored)]
    if odd.numel():
        path = dataset.get_data_info(index)['seg_map_path']
        raise DataError(
            f'{path} holds label {int(odd.max())} (after reduce_zero_label), the config knows '
            f'0 to {dataset.num_classes - 1}: make metainfo.classes agree with the maps.'
        )


_UNUSED = 'image of another suffix'


def check_dataset(dataset: Mapping[str, Any], cls: type[Any], cfg: Config, split: str) -> None:
    """Raise DataError where maps cannot be used as the config says; log what is doubtful.

    Args:
        dataset: config of the dataset, whose files exist.
        cls: its class; those that are no BaseSegDataset pass.
        cfg: the whole config.
        split: 'train', 'val' or 'test'.
    """
    if not _has_maps(dataset, cls):
        return
    folders, ann_file = dataset_paths(dataset)
    settings = {name: value for name, value in dataset.items() if name != 'pipeline'}
    problems = cached(
        [Path(path) for path in filter(None, [*folders, ann_file])],
        (cls.__name__, settings, split),
        lambda: _read(dataset, cls, split).problems,
    )
    refuse_or_log(problems, cfg.filename)


def read_annotations(dataset: Mapping[str, Any], cls: type[Any], split: str) -> Annotations | None:
    """What a dataset's config names, with all problems as they are for mmseg; None as above."""
    return _read(dataset, cls, split) if _has_maps(dataset, cls) else None


def _has_maps(dataset: Mapping[str, Any], cls: type[Any]) -> bool:
    local = not any('://' in folder for folder in dataset_paths(dataset)[0])
    named = (dataset.get('data_prefix') or {}).get('seg_map_path') or issubclass(cls, ListedMaps)
    return issubclass(cls, BaseSegDataset) and local and bool(named)


def _read(dataset: Mapping[str, Any], cls: type[Any], split: str) -> Annotations:
    """The pairs of image and map that mmseg takes, and what is wrong with them."""
    # _scope_ is MMEngine's own, in configs with a base of mmseg.
    others = ('type', 'pipeline', '_scope_')
    settings = {name: value for name, value in dataset.items() if name not in others}
    built = cls(**settings, lazy_init=True)
    infos = built.load_data_list()
    pairs = [(Path(info['img_path']), Path(info['seg_map_path'])) for info in infos]
    images, maps = (Path(built.data_prefix[key]) for key in ('img_path', 'seg_map_path'))
    problems = [problem('image without a map', image) for image, map in pairs if not map.exists()]
    used = {image for image, _ in pairs}
    if not dataset.get('ann_file'):
        problems += [problem(_UNUSED, path) for path in list_images(images) if path not in used]
        named = {map for _, map in pairs}
        spare = [path for path in list_images(maps) if path not in named and path not in used]
        problems += [problem('map without an image', path) for path in spare]
    pairs = [(image, map) for image, map in pairs if map.exists()]
    classes = built.metainfo.get('classes')
    legend = _legend(built) if classes else None
    annotations = read_pairs(images, pairs, classes, legend, split, problems)
    annotations.problems = check(annotations)
    if not pairs and split != 'train':
        annotations.problems.append(problem('nothing to train on', images, '', f'split {split}'))
    return annotations


def _legend(dataset: BaseSegDataset) -> dict[MapValue, int | None]:
    """Value of a map -> label, None of what is ignored, as LoadAnnotations of mmseg has it."""
    legend: dict[MapValue, int | None] = {}
    count = len(dataset.metainfo['classes'])
    for value in range(256):
        label = value
        if dataset.reduce_zero_label:
            label = 255 if value in (0, 255) else value - 1
        if dataset.label_map is not None:
            label = dataset.label_map.get(label, label)
        if label < count or label == dataset.ignore_index:
            legend[value] = label if label < count else None
    return legend
