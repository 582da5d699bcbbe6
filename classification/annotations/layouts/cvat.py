"""Reads the XML of CVAT's export "CVAT for images 1.1".

A box gives a box; a polygon, ellipse or mask gives a mask too; other shapes give nothing. Of a
turned box the upright box around it is taken. Shapes of one label and `group_id` are parts of one
object, as in CVAT's own export to COCO.

Format: https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from ..files.names import FileNames
from ..files.parsing import Unreadable, read_xml
from ..files.tree import SPLIT_NAMES, relative, split_of
from ..records import Annotations, Instance
from .gathering import Gathering
from .objects import (
    Drawn,
    Size,
    box_object,
    ellipse_object,
    join,
    mask_object,
    numbers,
    polygon_object,
    turned,
)
from .shapes import Unusable, polygon_bounds, shorten

_NOT_FOUR = 'box that is not four numbers'


def read_cvat(
    root: Path, files: Iterable[Path], images: FileNames, classes: Sequence[str] | None = None
) -> Annotations:
    """Read CVAT's files of a folder.

    Args:
        root: the folder.
        files: its XML files, usually one, `annotations.xml`.
        images: the images that they may be of.
        classes: names of the classes in order, None for the labels of the CVAT project.

    Raises:
        Unreadable: a file cannot be read as a whole.
    """
    contents = {file: _read_file(file) for file in files}
    if classes is None:
        names = dict.fromkeys(name for content in contents.values() for name in _labels(content))
        classes = [*names] or None
    gathering = Gathering('cvat', root, classes)
    for file, content in contents.items():
        for index, element in enumerate(content.iterfind('image'), 1):
            _read_image(element, f'image {index}', file, images, gathering)
    gathering.report_unlabelled(images, [])
    return gathering.finish()


def _read_file(file: Path) -> Element:
    content = read_xml(file)
    if content.tag != 'annotations':
        raise Unreadable(file, f'begins with <{shorten(content.tag)}>, not <annotations>')
    if content.find('track') is not None:
        raise Unreadable(file, 'is "CVAT for video"', 'export "CVAT for images 1.1" instead')
    return content


def _labels(content: Element) -> list[str]:
    """Names of the project's labels; those with a parent are points of a skeleton."""
    labels = content.iterfind('meta/*/labels/label')
    names = (label.findtext('name', '') for label in labels if label.find('parent') is None)
    return [' '.join(name.split()) for name in names if name.strip()]


def _read_image(
    element: Element, record: str, file: Path, images: FileNames, gathering: Gathering
) -> None:
    name = element.get('name', '')
    record = f'{record} {shorten(name)}'
    found = images.find(name, file.parent) if name else []
    if len(found) != 1:
        kind = 'several images of one name' if found else 'missing image'
        gathering.report(kind, file, record)
        return
    subset = SPLIT_NAMES.get(element.get('subset', '').lower())
    split = subset or split_of(relative(file, gathering.root))
    split = split or split_of(relative(found[0], images.root))
    stated = element.get('width', '0'), element.get('height', '0')
    image = gathering.image(found[0], file, split, record, stated)
    if not image:
        return
    size = image.size
    assert size
    counts: Counter[str] = Counter()
    groups: dict[tuple, list[Instance]] = {}
    for shape in element:
        counts[shape.tag] += 1
        place = f'{record}, {shape.tag} {counts[shape.tag]}'
        instance = gathering.add(
            image,
            place,
            shape.get('label'),
            partial(_draw, shape, size),
        )
        if instance:
            group = shape.get('group_id', '0')
            key = (place,) if group == '0' else (instance.label, group)
            groups.setdefault(key, []).append(instance)
    image.instances = [join(parts, size) for parts in groups.values()]


def _draw(shape: Element, size: Size) -> Drawn:
    def values(*names: str) -> list[float]:
        return numbers([shape.get(name) for name in names], _NOT_FOUR)

    degrees = numbers([shape.get('rotation', '0')], 'angle that is no number')[0]
    if shape.tag == 'box':
        x1, y1, x2, y2 = values('xtl', 'ytl', 'xbr', 'ybr')
        if not degrees:
            return box_object([x1, y1, x2, y2], size)
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
        around = turned(corners, degrees, ((x1 + x2) / 2, (y1 + y2) / 2))
        return box_object(polygon_bounds([around]), size)
    if shape.tag == 'polygon':
        return polygon_object([_points(shape.get('points', ''))], size)
    if shape.tag == 'ellipse':
        cx, cy, rx, ry = values('cx', 'cy', 'rx', 'ry')
        return ellipse_object(cx, cy, rx, ry, degrees, size)
    if shape.tag == 'mask':
        left, top, width, height = map(int, values('left', 'top', 'width', 'height'))
        if not (0 < width <= size[0] + 1 and 0 < height <= size[1] + 1):
            raise Unusable('mask larger than the image', f'{width}x{height}')
        if max(abs(left), abs(top)) > 2 * max(size):
            raise Unusable('box outside the image', f'the mask begins at {left}, {top}')
        return mask_object(_decoded(shape.get('rle', ''), width, height), left, top, size)
    raise Unusable('shape that is no area', shape.tag if len(shape.tag) < 40 else '')


def _points(text: str) -> list[Any]:
    pairs = [pair.split(',') for pair in text.split(';') if pair.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise Unusable('polygon with half a point', shorten(text))
    return [value for pair in pairs for value in pair]


def _decoded(text: str, width: int, height: int) -> np.ndarray:
    """The mask (height, width), bool, of run lengths by rows that begin with what is not mask."""
    counts = numbers(text.split(','), 'run lengths that are malformed')
    if any(count < 0 or count != int(count) for count in counts) or sum(counts) != width * height:
        detail = f'{sum(counts):g} of {width * height} pixels'
        raise Unusable('run lengths that are malformed', detail)
    ends = np.cumsum([0, *map(int, counts)])
    mask = np.zeros(width * height, bool)
    for index, (start, end) in enumerate(pairwise(ends)):
        mask[start:end] = index % 2
    return mask.reshape(height, width)
