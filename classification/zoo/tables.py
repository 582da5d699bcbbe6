"""The zoo's tables in Markdown: of all models by data set, and of families side by side."""

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import cast

from ..engine.files.project import PROJECT
from ..visualization.tables import markdown
from . import systems
from .metafiles import TOP1, Model, Release, Result

# Beginning of a config's name -> the head, and what it finds.
HEADS = {
    'faster-rcnn': ('Faster R-CNN', 'boxes'),
    'retinanet': ('RetinaNet', 'boxes'),
    'dino-4scale': ('DINO, four scales', 'boxes'),
    'mask-rcnn': ('Mask R-CNN', 'boxes and masks'),
    'cascade-mask-rcnn': ('Cascade Mask R-CNN', 'boxes and masks'),
    'mask2former': ('Mask2Former', 'boxes and masks'),
    'upernet': ('UperNet', 'maps of classes'),
    'segformer': ("SegFormer's", 'maps of classes'),
}
FAMILIES = ('MILA', 'VMamba', 'MambaOut', 'Swin', 'ConvNeXt')
SIZES = ('Femto', 'Kobe', 'T', 'S', 'B')


def of_data(zoo: list[Model], data: str, folder: Path) -> str:
    """All models that are trained on a data set, with what is known of them.

    Args:
        zoo: the models to choose from.
        data: name of the data set.
        folder: where the page lies, for links to configs.
    """
    titles = (
        'model',
        'hardware',
        'parameters',
        'FLOPs (height x width)',
        'published',
        'measured',
        'weights',
    )
    return markdown(titles, [_entry(m, folder) for m in zoo if m.training_data == data])


def _entry(model: Model, folder: Path) -> Sequence[str]:
    published, measured = (
        '; '.join(_metrics(result) for result in model.results if result.published is wanted)
        or 'none'
        for wanted in (True, False)
    )
    return (
        _link(model, model.name, folder) if model.config else model.name,
        model.training_resources or '',
        _count(model.parameters, 'M', 2),
        f'{_count(model.flops, "G" if model.flops >= 1e9 else "M", 2)} ({_shape(model)})',
        published,
        measured,
        _weights(model.release) if model.release else '',
    )


def _weights(release: Release) -> str:
    return f'[{release.name}]({release.url})' if release.url else f'{release.name} (no address)'


def _metrics(result: Result) -> str:
    return ', '.join(f'{name} {value}' for name, value in result.metrics.items())


def _mila_imagenet(zoo: list[Model], folder: Path) -> str:
    rows = [
        (
            _link(model, model.label, folder),
            *_published_counts(model),
            _published(model, TOP1),
        )
        for model in _of(zoo, 'ImageNet-1k', '*_in1k', ['MILA'])
    ]
    return markdown(('ImageNet', 'parameters', 'FLOPs at 224', 'top-1 (published)'), rows)


def _mila_coco(zoo: list[Model], folder: Path) -> str:
    titles = (
        'COCO, Mask R-CNN',
        'parameters',
        'FLOPs at 1280x800',
        '1x box / mask AP (published)',
        '3x (published)',
    )
    rows = []
    for short in _of(zoo, 'COCO', 'mask-rcnn_*_1x_coco', ['MILA']):
        long = next(
            m for m in _of(zoo, 'COCO', 'mask-rcnn_*-3x_coco', ['MILA']) if m.size == short.size
        )
        links = f'{_link(short, "1x", folder)} {_link(long, "3x", folder)}'
        results = (_published(model, 'box AP', 'mask AP') for model in (short, long))
        rows.append((f'{short.label} {links}', *_published_counts(short), *results))
    return markdown(titles, rows)


def _mila_ade20k(zoo: list[Model], folder: Path) -> str:
    titles = (
        'ADE20K, UperNet',
        'parameters',
        'FLOPs at 2048x512',
        'mIoU single / multi-scale (published)',
    )
    rows = [
        (
            _link(model, model.label, folder),
            *_published_counts(model),
            _published(model, 'mIoU', 'mIoU (ms+flip)'),
        )
        for model in _of(zoo, 'ADE20K', 'upernet_*', ['MILA'])
    ]
    return markdown(titles, rows)


def _heads(zoo: list[Model], folder: Path) -> str:
    """MILA-T in each head, its shortest recipe."""
    titles = ('head', 'finds', 'config with MILA-T', 'parameters', 'FLOPs (height x width)')
    rows = []
    for beginning, (head, finds) in HEADS.items():
        model = next(m for m in zoo if m.name.startswith(f'{beginning}_mila-t'))
        counts = (
            _count(model.parameters, 'M', 1),
            f'{_count(model.flops, "G", 0)} ({_shape(model)})',
        )
        rows.append((head, finds, _link(model, model.name, folder), *counts))
    return markdown(titles, rows)


def _comparison(
    data: str, name: str, heading: str, shape: str, metrics: str, *keys: str, digits: int = 1
) -> Callable[[list[Model], Path], str]:
    """A table of all families, T before S before B.

    Args:
        data: the data set.
        name: pattern of the names of the models that are shown.
        heading: title of the first column.
        shape: in the title of the counted FLOPs.
        metrics: title of the last column.
        keys: the metrics in it.
        digits: behind the point of the counted FLOPs.
    """

    def table(zoo: list[Model], folder: Path) -> str:
        titles = (
            heading,
            'parameters',
            'FLOPs (published)',
            f'FLOPs (counted, {shape})',
            f'{metrics} (published)',
        )
        rows = [
            (
                _link(model, model.label, folder) if model.config else model.label,
                _count(model.parameters, 'M', 1),
                _published_counts(model)[1],
                _count(model.flops, 'G', digits),
                _published(model, *keys),
            )
            for model in _of(zoo, data, name, FAMILIES)
            if model.size in SIZES
        ]
        return markdown(titles, rows)

    return table


TABLES: dict[str, Callable[[list[Model], Path], str]] = {
    'MILA on ImageNet': _mila_imagenet,
    'MILA on COCO': _mila_coco,
    'MILA on ADE20K': _mila_ade20k,
    'MILA in any head': _heads,
    'all on ImageNet': _comparison(
        'ImageNet-1k', '*', 'ImageNet', '224x224', 'top-1', TOP1, digits=2
    ),
    'all on COCO': _comparison(
        'COCO',
        'mask-rcnn_*_1x_coco',
        'COCO, Mask R-CNN 1x',
        '800x1280',
        'box / mask AP',
        'box AP',
        'mask AP',
    ),
    'all on ADE20K': _comparison(
        'ADE20K',
        'upernet_*',
        'ADE20K, UperNet',
        '512x2048',
        'mIoU single / multi-scale',
        'mIoU',
        'mIoU (ms+flip)',
    ),
    **{
        name: partial(systems.of_scale, low=low, high=high)
        for name, (low, high) in systems.SCALES.items()
    },
    'systems measured': systems.measured,
    'systems that are not here': systems.not_here,
    'needs of systems': systems.needs,
    'recipes of systems': systems.recipes,
    'counts that differ': systems.notes,
}


def _of(zoo: list[Model], data: str, name: str, families: Sequence[str]) -> list[Model]:
    """Models of a data set and of families whose names match, by size and then by family."""
    found = [
        model
        for model in zoo
        if model.training_data == data
        and fnmatch(model.name, name)
        and model.collection.name in families
        and model.size in SIZES
    ]
    return sorted(found, key=lambda m: (SIZES.index(m.size), families.index(m.collection.name)))


def _link(model: Model, text: str, folder: Path) -> str:
    """A link to the config of a model that has one."""
    return f'[{text}]({os.path.relpath(PROJECT / cast(str, model.config), folder)})'


def _published(model: Model, *metrics: str) -> str:
    """Published values, '46.8 / 42.1', or 'none'."""
    values = [model.published(metric) for metric in metrics]
    return ' / '.join(map(str, values)) if None not in values else 'none'


def _published_counts(model: Model) -> tuple[str, str]:
    """Parameters and FLOPs as they are printed, each 'none' where it is not."""
    counts = model.published_counts
    return (counts and counts.parameters) or 'none', (counts and counts.flops) or 'none'


def _count(value: float, unit: str, digits: int) -> str:
    return f'{value / {"M": 1e6, "G": 1e9}[unit]:.{digits}f} {unit}'


def _shape(model: Model) -> str:
    return 'x'.join(map(str, model.shape))
