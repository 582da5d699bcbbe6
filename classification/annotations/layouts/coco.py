"""Annotations in COCO's JSON format, with every record checked."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files.images import ImageFile, look_at_images
from ..problems.kinds import problem
from ..problems.problem import Problem
from ..records import AnnotatedImage, Annotations, Box, Instance
from .coco_file import load_coco
from .shapes import (
    TOLERANCE,
    Unusable,
    check_polygon,
    check_rle,
    fit_box,
    is_number,
    overlap,
    polygon_bounds,
    rle_bounds,
    shorten,
)

# A box is drawn by hand or computed from the mask: either way they overlap by more than this.
_FIT = 0.5


def read_coco(
    file: Path, images: Path, classes: Sequence[str] | None = None, split: str | None = None
) -> Annotations:
    """The objects of a COCO file: boxes, polygons, run lengths (plain and compressed), crowds.

    Args:
        file: the JSON file.
        images: folder that its file names start from.
        classes: expected names in order; None takes the file's, in its order.
        split: of its images.

    Raises:
        DataError: the file as a whole is not in COCO's format.
    """
    content, problems = load_coco(file)
    reader = _Reader(file, images, split, problems)
    reader.read_classes(content['categories'], classes)
    reader.read_images(content['images'])
    reader.read_objects(content.get('annotations', []))
    found = sorted(reader.images.values(), key=lambda image: image.path)
    return Annotations('coco', file, reader.classes, found, problems=problems)


class _Reader:
    """What was read so far, and the problems found.

    Attributes:
        classes: names.
        images: image path -> its objects.
    """

    def __init__(self, file: Path, folder: Path, split: str | None, problems: list[Problem]):
        self.file, self.folder, self.split = file, folder, split
        self.problems = problems
        self.classes: list[str] = []
        self.images: dict[Path, AnnotatedImage] = {}
        self._labels: dict[Any, int | None] = {}  # category id -> label; None of unexpected ones
        self._by_id: dict[Any, AnnotatedImage | None] = {}  # None of ids that are given twice
        self._annotation_ids: set[Any] = set()

    def report(self, kind: str, record: str, detail: str = '') -> None:
        self.problems.append(problem(kind, self.file, record, detail))

    def read_classes(self, categories: list[Any], expected: Sequence[str] | None) -> None:
        """Take the names and ids of the classes."""
        names: dict[str, Any] = {}
        for position, category in enumerate(categories):
            record = f'category {_name(category, position)}'
            number = category.get('id') if isinstance(category, dict) else None
            name = category.get('name') if isinstance(category, dict) else None
            if not _is_id(number) or not isinstance(name, str) or not name.strip():
                self.report('class without a name or number', record, shorten(category))
            elif name in names or number in self._labels:
                self.report('class named twice', record, shorten(name))
            else:
                names[name] = number
                self._labels[number] = None
                if expected is not None and name not in expected:
                    self.report('class that is not expected', record, shorten(name))
        self.classes = list(names if expected is None else expected)
        if missing := [name for name in self.classes if name not in names]:
            self.report('class that is missing', '', ', '.join(map(shorten, missing[:5])))
        shared = [name for name in names if name in self.classes]
        if shared != [name for name in self.classes if name in names]:
            self.report('classes in another order', '', ', '.join(map(shorten, shared[:5])))
        labels = {name: label for label, name in enumerate(self.classes)}
        self._labels = {number: labels.get(name) for name, number in names.items()}

    def read_images(self, records: list[Any]) -> None:
        """Take the images, and compare the size that each record states with its file's."""
        usable = []
        for position, record in enumerate(records):
            where = f'image {_name(record, position)}'
            name = record.get('file_name') if isinstance(record, dict) else None
            if not isinstance(name, str) or not name or not _is_id(record.get('id')):
                self.report('image record that cannot be used', where, shorten(record))
            else:
                usable.append((where, self.folder / name, record))
        twice = Counter(record['id'] for _, _, record in usable)
        files = look_at_images(path for _, path, _ in usable)
        for where, path, record in usable:
            if path in self.images:
                self.report('image listed twice', where, str(path))
            else:
                self.images[path] = AnnotatedImage(
                    path, files[path].size, split=self.split, source=self.file
                )
                if found := files[path].unusable(self.file, where):
                    self.problems.append(found)
            self._compare_size(where, record, files[path])
            if twice[record['id']] > 1:
                self.report('image id given twice', where)
                self._by_id[record['id']] = None
            else:
                self._by_id[record['id']] = self.images[path]

    def _compare_size(self, where: str, record: dict[str, Any], file: ImageFile) -> None:
        if 'width' not in record or 'height' not in record:
            self.report('no size stated', where)
            return
        stated = record['width'], record['height']
        if file.size is None or stated == file.size:
            if not all(type(side) is int and side > 0 for side in stated):
                self.report("stated size is not the image's", where, shorten(stated))
            return
        kind = (
            'labelled before it was turned'
            if stated == file.stored
            else "stated size is not the image's"
        )
        sides = f'{shorten(stated[0])}x{shorten(stated[1])}'
        self.report(kind, where, f'{sides}, the image is {file.size[0]}x{file.size[1]}')

    def read_objects(self, records: list[Any]) -> None:
        """Give each image its objects."""
        for position, record in enumerate(records):
            where = f'annotation {_name(record, position)}'
            try:
                self._read_object(where, record)
            except Unusable as error:
                self.report(error.kind, where, error.detail)

    def _read_object(self, where: str, record: Any) -> None:
        if not isinstance(record, dict):
            raise Unusable('annotation that is no object', shorten(record))
        number, category = record.get('id'), record.get('category_id')
        if not _is_id(number):
            raise Unusable('record without a usable id', shorten(number))
        if number in self._annotation_ids:
            self.report('annotation id given twice', where)
        self._annotation_ids.add(number)
        owner = record.get('image_id')
        if not _is_id(owner):
            raise Unusable('annotation without a usable image_id', shorten(owner))
        image = self._by_id.get(owner)
        if image is None:
            raise Unusable('annotation of no image', f'image_id {shorten(owner)}')
        label = self._labels.get(category) if _is_id(category) else None
        if label is None:
            raise Unusable('annotation of an unknown class', f'category_id {shorten(category)}')
        crowd = record.get('iscrowd', 0)
        if crowd not in (0, 1) or isinstance(crowd, float):
            raise Unusable('iscrowd that is neither 0 nor 1', shorten(crowd))
        if record.get('ignore'):
            raise Unusable('annotation to be ignored')
        box, excess = self._box(record, image.size)
        instance = Instance(label, box, crowd=bool(crowd), record=where)
        self._add_mask(instance, record.get('segmentation'), image.size)
        if excess > TOLERANCE:
            self.report('box beyond the image', where, f'by {excess:.4g} pixels')
        if 'iscrowd' not in record:
            self.report('no iscrowd', where)
        self._check_area(where, record)
        image.instances.append(instance)

    @staticmethod
    def _box(record: dict[str, Any], size: tuple[int, int] | None) -> tuple[Box, float]:
        """(box within the image, pixels it exceeds it by) of bbox [x, y, width, height]."""
        if record.get('bbox') is None:
            raise Unusable('no box')
        values = record['bbox']
        if not isinstance(values, list) or len(values) != 4 or not all(map(is_number, values)):
            raise Unusable('box that is not four numbers', shorten(values))
        x, y, width, height = values
        return fit_box((x, y, x + width, y + height), size)

    def _add_mask(self, instance: Instance, mask: Any, size: tuple[int, int] | None) -> None:
        if mask is None or mask == [] or mask == {}:
            return
        if isinstance(mask, dict):
            check_rle(mask, size)
            instance.rle = dict(size=mask['size'], counts=mask['counts'])
            bounds = rle_bounds(mask)
        elif isinstance(mask, list):
            instance.polygons = self._polygons(instance.record, mask, size)
            bounds = polygon_bounds(instance.polygons)
        else:
            raise Unusable('mask of an unknown form', shorten(mask))
        if overlap(bounds, instance.box) < _FIT and overlap(_grown(bounds), instance.box) < _FIT:
            text = ', '.join(f'{side:g}' for side in bounds)
            self.report('box that does not fit its mask', instance.record, f'it spans {text}')

    def _polygons(self, where: str, parts: list[Any], size: tuple[int, int] | None) -> list:
        """The parts of an outline that can be used; the others are reported."""
        usable, excess = [], 0.0
        reason: Unusable | None = None
        for part in parts:
            try:
                excess = max(excess, check_polygon(part, size))
                usable.append(part)
            except Unusable as error:
                if reason is not None:
                    self.report(reason.kind, where, reason.detail)
                reason = error
        if reason is not None and not usable:
            raise reason
        if reason is not None:
            self.report(reason.kind, where, reason.detail)
        if excess > TOLERANCE:
            self.report('polygon beyond the image', where, f'by {excess:.4g} pixels')
        return usable

    def _check_area(self, where: str, record: dict[str, Any]) -> None:
        """Evaluation tells small from large by it, and mmdet leaves out objects without any."""
        if 'area' not in record:
            self.report('no area', where)
        elif type(record['area']) not in (int, float):
            self.report('area that is no number', where, shorten(record['area']))
        elif not 0 < record['area'] < 1e12:
            self.report('area of zero or less', where, shorten(record['area']))


def _is_id(value: Any) -> bool:
    return type(value) in (int, str)


def _name(record: Any, position: int) -> str:
    """What a message calls a record: its id, or where it stands in its list."""
    number = record.get('id') if isinstance(record, dict) else None
    return shorten(number) if _is_id(number) else f'at position {position}'


def _grown(box: Box) -> Box:
    """A box that is half a pixel larger on each side: masks of one pixel's width have boxes."""
    return (box[0] - 0.5, box[1] - 0.5, box[2] + 0.5, box[3] + 0.5)
