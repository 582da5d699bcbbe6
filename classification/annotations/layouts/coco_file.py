"""COCO files as a whole: read, and written of any annotations, for detectors to train on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...engine.errors import DataError
from ..problems.kinds import problem
from ..problems.problem import Problem, printable
from ..records import AnnotatedImage, Annotations, Instance
from .shapes import check_rle, polygon_area


def load_coco(file: Path) -> tuple[dict[str, Any], list[Problem]]:
    """(the file's content, with its lists, problems of the file).

    Raises:
        DataError: it is not in COCO's format.
    """
    try:
        data = file.read_bytes()
        content = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise _not_coco(file, f'{type(error).__name__}: {error}') from None
    if not isinstance(content, dict):
        raise _not_coco(file, f'it holds a {type(content).__name__}')
    for key in ('images', 'categories', 'annotations'):
        if not isinstance(content.get(key, [] if key == 'annotations' else None), list):
            raise _not_coco(file, f'it has no list `{key}`')
    problems = []
    if json.detect_encoding(data) != 'utf-8':
        problems.append(problem('file not in plain UTF-8', file))
    if 'annotations' not in content:
        problems.append(problem('no annotations', file))
    return content, problems


def _not_coco(file: Path, why: str) -> DataError:
    why = why if len(why) < 200 else why[:200] + '…'
    return DataError(
        f'{printable(str(file))} is not an annotation file in COCO format '
        f'({printable(why)}): download or make it again.'
    )


def to_coco(annotations: Annotations, images: Sequence[AnnotatedImage] | None = None) -> dict:
    """The images that can be read with their objects, as the content of a COCO file.

    File names are absolute, so that images are used where they lie; ids count from 1.

    Args:
        annotations: to write.
        images: those of them to write, None for all.
    """
    records: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for image in annotations.images if images is None else images:
        if image.size is None:
            continue
        width, height = image.size
        number = len(records) + 1
        path = Path(image.path).absolute()
        records.append(dict(id=number, file_name=str(path), width=width, height=height))
        for instance in image.instances:
            objects.append(dict(id=len(objects) + 1, image_id=number, **_object(instance)))
    categories = [dict(id=label + 1, name=name) for label, name in enumerate(annotations.classes)]
    return dict(images=records, annotations=objects, categories=categories)


def _object(instance: Instance) -> dict[str, Any]:
    x1, y1, x2, y2 = instance.box
    width, height = x2 - x1, y2 - y1
    record = dict(
        category_id=instance.label + 1,
        bbox=[x1, y1, width, height],
        area=width * height,
        iscrowd=int(instance.crowd),
    )
    if instance.polygons is not None:
        record['segmentation'] = instance.polygons
        record['area'] = sum(map(polygon_area, instance.polygons))
    elif instance.rle is not None:
        record['segmentation'] = instance.rle
        record['area'] = check_rle(instance.rle, None)
    return record
