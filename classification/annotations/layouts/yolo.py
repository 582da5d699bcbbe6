"""Reads YOLO's label files: boxes and polygons.

A line is `CLASS CX CY W H`, a box, or `CLASS X1 Y1 X2 Y2 X3 Y3 …`, a polygon, in shares of the
image's width and height. They are rounded to 1/1000 pixel, which is what the usual six decimals
carry on images of up to 1000 pixels. An image without a file, or with an empty one, has no objects:
so Ultralytics trains on it; here a missing file is said.

Format: https://docs.ultralytics.com/datasets/detect/ and /segment/
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from ...engine.errors import UsageError
from ..files.names import FileNames
from ..files.parsing import Unreadable, number, read_text
from ..files.tree import relative
from ..records import AnnotatedImage, Annotations
from .gathering import Gathering
from .objects import Drawn, Size, box_object, numbers, polygon_object
from .shapes import Unusable, shorten
from .yolo_files import NAME_FILES, find_parts

# So many polygons with one number of corners are no outlines drawn by hand.
_SUSPICIOUS = 10


def read_yolo(
    root: Path,
    files: Iterable[Path],
    images: FileNames,
    classes: Sequence[str] | None = None,
    task: str | None = None,
) -> Annotations:
    """Read the label files of a YOLO data set.

    Args:
        root: its folder.
        files: the files in it.
        images: all its images.
        classes: names of the classes in the order of their numbers, None for those that
            data.yaml, classes.txt or obj.names say.
        task: 'detect' or 'segment' answer whether four corners are a box or a polygon.

    Raises:
        UsageError: nothing names the classes, or labels may be oriented boxes or key points.
        Unreadable: what names the classes cannot be read.
    """
    files = [*files]
    parts = find_parts(root, files, images)
    names = [*classes] if classes else parts.names
    if not names:
        raise UsageError(
            f'{root} has YOLO labels and no data.yaml or classes.txt that names the classes: '
            'say --classes NAME NAME … in the order of their numbers.'
        )
    gathering = Gathering('yolo', root, names)
    gathering.problems += parts.problems
    labels = FileNames([file for file in files if is_label_file(file)], root)
    used: dict[Path, Path] = {}
    lengths: Counter[int] = Counter()
    for path, split in sorted(parts.splits.items()):
        found = _label_files(path, labels, images)
        if len(found) > 1:
            gathering.report(
                'several label files of one image', path, '', f'{found[0]}, {found[1]}'
            )
            continue
        if found and found[0] in used:
            gathering.report('several images of one name', path, '', str(used[found[0]]))
            continue
        if not found:
            gathering.report('image without objects or label file', path)
            gathering.image(path, None, split)
            continue
        used[found[0]] = path
        _read_file(found[0], path, split, names, gathering, lengths)
    for file in labels.paths:
        if file not in used and not any(
            path in parts.splits for path in images.find(file.stem, file)
        ):
            gathering.report('label file without an image', file)
    _ask_about_corners(root, lengths, task)
    annotations = gathering.finish()
    annotations.notes += parts.notes
    return annotations


def is_label_line(line: str) -> bool:
    """Whether a line is a class's number with at least four numbers."""
    values = [number(word) for word in line.split()[:6]]
    return len(values) >= 5 and all(value == value for value in values)


def is_label_file(file: Path) -> bool:
    """Whether a text file holds labels, by its first line; an empty one is of an image too."""
    if file.suffix.lower() != '.txt' or file.name.lower() in NAME_FILES:
        return False
    if 'labels' in (file.parent.name.lower(), file.parent.parent.name.lower()):
        return True
    try:
        with file.open('rb') as stream:
            head = stream.read(4096)
    except OSError:
        return True
    encoding = 'utf-16' if head.startswith((b'\xff\xfe', b'\xfe\xff')) else 'utf-8-sig'
    lines = head.decode(encoding, 'replace').splitlines()
    first = next((line for line in lines if line.strip()), None)
    return first is None or is_label_line(first)


def _label_files(image: Path, labels: FileNames, images: FileNames) -> list[Path]:
    """The label files of an image: in `labels` where it lies in `images`, beside it, or by name."""
    below = relative(image, images.root).with_suffix('.txt')
    parts = [*image.with_suffix('.txt').parts]
    places = [labels.root / below, image.with_suffix('.txt')]
    for position in range(len(parts) - 2, -1, -1):  # the last one, as Ultralytics does
        if parts[position].lower() == 'images':
            places.insert(0, Path(*parts[:position], 'labels', *parts[position + 1 :]))
            break
    known = set(labels.paths)
    for place in places:
        if place in known or (not place.is_relative_to(labels.root) and place.is_file()):
            return [place]
    return labels.find(image.stem, image.parent)


def _read_file(
    file: Path,
    path: Path,
    split: str | None,
    names: Sequence[str],
    gathering: Gathering,
    lengths: Counter[int],
) -> None:
    try:
        lines = read_text(file).splitlines()
    except Unreadable as error:
        gathering.report('unreadable label file', file, '', error.reason)
        return
    image = gathering.image(path, file, split)
    if image:
        for place, line in enumerate(lines, 1):
            words = line.split()
            if words:
                _add(words, f'line {place}', names, image, gathering)
                lengths[len(words)] += 1


def _add(
    words: list[str],
    record: str,
    names: Sequence[str],
    image: AnnotatedImage,
    gathering: Gathering,
) -> None:
    assert image.size
    value = number(words[0])
    if not (0 <= value < len(names) and value == int(value)):
        detail = f'{shorten(words[0])} of {len(names)} names'
        gathering.report('class number without a name', image.source or image.path, record, detail)
        return
    gathering.add(image, record, names[int(value)], partial(_draw, words, image.size))


def _draw(words: list[str], size: Size) -> Drawn:
    width, height = size
    if len(words) < 5 or len(words) % 2 == 0:
        raise Unusable('line of another length', f'{len(words)} numbers')
    if len(words) == 5:
        cx, cy, w, h = numbers(words[1:], 'box that is not four numbers')
        if max(cx, cy, w, h) > 1.01 or min(cx, cy) < -0.01:
            raise Unusable('values that are no shares of the image', shorten(' '.join(words[1:])))
        sides = [(cx - w / 2) * width, (cy - h / 2) * height]
        sides += [(cx + w / 2) * width, (cy + h / 2) * height]
        return box_object([round(side, 3) for side in sides], size)
    shares = numbers(words[1:], 'polygon with a value that is no number')
    if max(map(abs, shares)) > 2:
        raise Unusable('values that are no shares of the image', f'up to {max(shares):g}')
    outline = [
        round(share * (height if index % 2 else width), 3) for index, share in enumerate(shares)
    ]
    return polygon_object([outline], size)


def _ask_about_corners(root: Path, lengths: Counter[int], task: str | None) -> None:
    """Refuse labels whose polygons may be something else, where the task does not say.

    Oriented boxes and key points are written with the same numbers of values as polygons.
    """
    polygons = {length: count for length, count in lengths.items() if length > 5 and length % 2}
    if task or len(polygons) != 1:
        return
    [(length, count)] = polygons.items()
    corners = (length - 1) // 2
    if length == 9 or count >= _SUSPICIOUS:
        raise UsageError(
            f'All {count} polygons in {root} have {corners} corners, which oriented boxes or key '
            'points would have: say --task segment where they are outlines, --task detect for the '
            'boxes around them.'
        )
