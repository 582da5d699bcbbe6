"""Files that list the images of a training, with annotations; the images stay where they are."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from ..annotations.layouts.coco_file import to_coco
from ..annotations.layouts.maps import write_maps
from ..annotations.records import AnnotatedImage, Annotations
from ..visualization.drawing import class_colours
from .recipe import OwnData

_RARE = 0.1  # share of the images below which a class is repeated


def write_data(
    kind: str,
    annotations: Annotations,
    train: Sequence[AnnotatedImage],
    folder: Path,
) -> OwnData:
    """Write the files that list the images of both splits into `folder`, and index maps.

    Args:
        kind: what is trained, one of recipe.TEMPLATES.
        annotations: whose classes are trained, and whose split 'val' evaluates.
        train: the images to train on, some of them several times.
        folder: of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    val = [image for image in annotations.images if image.split == 'val']
    if kind == 'semantic':
        written = write_maps(annotations, folder / 'maps')
        maps = {image.path: image for image in written.images}
        train, val = [maps[image.path] for image in train], [maps[image.path] for image in val]
    suffix, as_text = _FORMATS[kind]
    files = {}
    for split, images in (('train', train), ('val', val)):
        files[split] = (folder / split).with_suffix(suffix).absolute()
        files[split].write_text(as_text(annotations, images), encoding='utf-8')
    colours = class_colours(dict(classes=annotations.classes))
    return OwnData(tuple(annotations.classes), colours, files['train'], files['val'])


def repeat_rare(images: Sequence[AnnotatedImage], classes: int) -> list[AnnotatedImage]:
    """Images, those of rare classes several times (Gupta et al., "LVIS", CVPR 2019, section 6.1).

    An image is repeated by the largest sqrt(t / f) of its classes, rounded up, where f is the share
    of the images that show the class and t a tenth.
    """
    shown = [0] * classes
    for image in images:
        for label in image.labels:
            shown[label] += 1
    factors = [math.sqrt(_RARE * len(images) / max(1, count)) for count in shown]
    repeated = []
    for image in images:
        factor = max((factors[label] for label in image.labels), default=1.0)
        repeated += [image] * max(1, math.ceil(factor))
    return repeated


def _coco(annotations: Annotations, images: Sequence[AnnotatedImage]) -> str:
    return json.dumps(to_coco(annotations, images)) + '\n'


def _image_list(annotations: Annotations, images: Sequence[AnnotatedImage]) -> str:
    return ''.join(f'{image.path.absolute()} {image.label}\n' for image in images)


def _map_list(annotations: Annotations, images: Sequence[AnnotatedImage]) -> str:
    pairs = ((image.path.absolute(), image.map and image.map.absolute()) for image in images)
    return ''.join(f'{image}\t{label_map}\n' for image, label_map in pairs)


# What lists the images for each kind of training: suffix and content of the file.
_FORMATS: dict[str, tuple[str, Callable[[Annotations, Sequence[AnnotatedImage]], str]]] = {
    'classify': ('.txt', _image_list),
    'detect': ('.json', _coco),
    'segment': ('.json', _coco),
    'semantic': ('.txt', _map_list),
}
