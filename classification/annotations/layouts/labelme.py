"""Reads labelme's JSON files, one beside each image.

A rectangle gives a box; a polygon, circle or mask gives a mask too; lines and points give nothing.
Shapes of one label and `group_id` are parts of one object. The picture that labelme may embed in
the file is not used. Images without a file are not annotated, and left out.

Format: https://github.com/wkentaro/labelme (`labelme/_label_file.py` and `labelme/utils/shape.py`).
"""

import base64
import io
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ..files.names import FileNames
from ..files.parsing import Unreadable, read_json
from ..files.tree import relative, split_of
from ..records import AnnotatedImage, Annotations, Instance
from .gathering import Gathering
from .objects import Drawn, box_object, ellipse_object, join, mask_object, numbers, polygon_object
from .shapes import Unusable, polygon_bounds, shorten


def read_labelme(
    root: Path, files: Iterable[Path], images: FileNames, classes: Sequence[str] | None = None
) -> Annotations:
    """Read labelme's files of a folder.

    Args:
        root: the folder.
        files: its JSON files.
        images: the images that they may be of.
        classes: names of the classes in order, None for all that occur, by name.
    """
    gathering = Gathering('labelme', root, classes)
    files = [*files]
    for file in files:
        try:
            _read_file(file, images, gathering)
        except Unreadable as error:
            gathering.report('unreadable label file', file, '', error.reason)
    gathering.report_unlabelled(images, files)
    return gathering.finish()


def _read_file(file: Path, images: FileNames, gathering: Gathering) -> None:
    content = read_json(file)
    shapes = content.get('shapes') if isinstance(content, dict) else None
    if not isinstance(shapes, list):
        raise Unreadable(file, 'has no list `shapes`')
    path = gathering.image_of(file, content.get('imagePath'), images)
    if not path:
        return
    stated = content.get('imageWidth', 0), content.get('imageHeight', 0)
    split = split_of(relative(file, gathering.root)) or split_of(relative(path, images.root))
    image = gathering.image(path, file, split, stated=stated)
    if not image:
        return
    groups: dict[tuple, list[Instance]] = {}
    for index, shape in enumerate(shapes, 1):
        record = f'shape {index}'
        if not isinstance(shape, dict):
            gathering.report('annotation that is no object', file, record, shorten(shape))
            continue
        instance = gathering.add(
            image,
            record,
            shape.get('label'),
            partial(_draw, shape, image),
        )
        if instance:
            group = shape.get('group_id')
            key = (instance.label, shorten(group)) if group is not None else (record,)
            groups.setdefault(key, []).append(instance)
    assert image.size
    image.instances = [join(parts, image.size) for parts in groups.values()]


def _draw(shape: dict, image: AnnotatedImage) -> Drawn:
    size = image.size
    assert size
    kind, points = shape.get('shape_type') or 'polygon', shape.get('points')
    if kind not in ('polygon', 'rectangle', 'circle', 'mask'):
        raise Unusable('shape that is no area', shorten(kind))
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in points
    ):
        raise Unusable('points that are no pairs', shorten(points))
    flat = [value for point in points for value in point]
    if kind == 'polygon':
        return polygon_object([flat], size)
    flat = numbers(flat, 'points that are no pairs')
    if kind == 'rectangle' and len(points) in (2, 4):
        return box_object(polygon_bounds([flat]), size)  # from any corner to any other
    if kind == 'circle' and len(points) == 2:
        x, y, x2, y2 = flat
        radius = float(np.hypot(x2 - x, y2 - y))
        return ellipse_object(x, y, radius, radius, 0, size)
    if kind == 'mask' and points:
        if max(map(abs, flat[:2])) > 2 * max(size):
            raise Unusable('box outside the image', f'the mask begins at {flat[0]:g}, {flat[1]:g}')
        return mask_object(_decoded(shape.get('mask'), size), int(flat[0]), int(flat[1]), size)
    raise Unusable('shape with another number of points', f'{kind} of {len(points)}')


def _decoded(text: object, size: tuple[int, int]) -> np.ndarray:
    """The mask (h, w), bool, that a text holds as a PNG in base64."""
    if not isinstance(text, str):
        raise Unusable('mask of an unknown form', shorten(text))
    try:
        with Image.open(io.BytesIO(base64.b64decode(text)), formats=['PNG']) as image:
            # Before its pixels are read: a few bytes can claim a picture of any size.
            if image.width > size[0] + 1 or image.height > size[1] + 1:
                detail = f'the mask has {image.width}x{image.height} pixels'
                raise Unusable('mask larger than the image', detail)
            return np.asarray(image.convert('L')) > 0
    except Unusable:
        raise
    except Exception as error:  # damaged files make PIL raise anything
        raise Unusable('mask of an unknown form', type(error).__name__) from None
