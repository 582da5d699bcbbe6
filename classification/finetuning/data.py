"""Files that list the images of a training, and maps; the images stay where they are."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..annotations.coco import to_coco
from ..annotations.maps import write_maps
from ..annotations.records import AnnotatedImage, Annotations
from ..visualization.drawing import class_colours
from .facts import labels_of
from .recipe import OwnData

_RARE = 0.1  # share of the images below which a class is repeated


def write_data(
    kind: str,
    annotations: Annotations,
    train: Sequence[AnnotatedImage],
    val: Sequence[AnnotatedImage],
    folder: Path,
) -> OwnData:
    """Write the files that list the images of both splits into `folder`, and index maps.

    Args:
        kind: what is trained, one of recipe.TEMPLATES.
        annotations: whose classes are trained.
        train, val: its images.
        folder: of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(os.path.commonpath([image.path.absolute().parent for image in (*train, *val)]))
    files = {}
    for split, images in (('train', train), ('val', val)):
        part = replace(annotations, images=list(images))
        files[split] = _write_list(kind, part, root, folder / split)
    maps = None
    if kind == 'semantic':
        maps = folder / 'maps'
        write_maps(replace(annotations, images=[*train, *val]), maps, root)
    return OwnData(
        root=root,
        classes=tuple(annotations.classes),
        palette=class_colours(dict(classes=annotations.classes)),
        train=files['train'].absolute(),
        val=files['val'].absolute(),
        maps=maps and maps.absolute(),
    )


def repeat_rare(images: Sequence[AnnotatedImage], classes: int) -> list[AnnotatedImage]:
    """Images, those of rare classes several times (Gupta et al., "LVIS", CVPR 2019, section 6.1).

    An image is repeated by the largest sqrt(t / f) of its classes, rounded up, where f is the share
    of the images that show the class and t a tenth.
    """
    shown = [0] * classes
    for image in images:
        for label in labels_of(image):
            shown[label] += 1
    factors = [math.sqrt(_RARE * len(images) / max(1, count)) for count in shown]
    repeated = []
    for image in images:
        factor = max((factors[label] for label in labels_of(image)), default=1.0)
        repeated += [image] * max(1, math.ceil(factor))
    return repeated


def _write_list(kind: str, annotations: Annotations, root: Path, file: Path) -> Path:
    """Write FILE.json or FILE.txt, with names below `root`; returns its path."""
    if kind in ('detect', 'segment'):
        path = file.with_suffix('.json')
        path.write_text(json.dumps(to_coco(annotations, root)) + '\n')
        return path
    names = [image.path.absolute().relative_to(root).as_posix() for image in annotations.images]
    if kind == 'classify':
        labels = [image.label for image in annotations.images]
        names = [f'{name} {label}' for name, label in zip(names, labels, strict=True)]
    path = file.with_suffix('.txt')
    path.write_text(''.join(f'{name}\n' for name in names))
    return path
