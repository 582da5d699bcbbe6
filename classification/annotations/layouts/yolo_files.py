"""Which images a YOLO data set has, in which splits, and what its classes are called.

As Ultralytics has it (https://docs.ultralytics.com/datasets/); exports from Roboflow and CVAT, and
the folders of labelImg and darknet, differ in small ways only.
"""

import glob
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...engine.errors import UsageError
from ..files.names import FileNames
from ..files.parsing import Unreadable, read_text, read_yaml
from ..files.tree import files_below, is_image, relative, split_of
from ..problems.kinds import problem
from ..problems.problem import Problem
from .shapes import shorten

# Where labelImg, darknet and CVAT put the names of the classes, one in a line.
NAME_FILES = ('classes.txt', 'obj.names', '_darknet.labels', 'classes.names')
_SPLITS = {'train': 'train', 'val': 'val', 'valid': 'val', 'test': 'test'}


@dataclass
class YoloFiles:
    """A data set's parts.

    Attributes:
        names: of the classes, None where nothing says them.
        splits: image -> its split, or None.
        problems: of the files that say this.
        notes: sentences for the user.
    """

    names: list[str] | None
    splits: dict[Path, str | None]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_data_file(file: Path) -> bool:
    """Whether a YAML file describes a YOLO data set: its classes, and splits or their number."""
    if file.suffix.lower() not in ('.yaml', '.yml'):
        return False
    try:
        content = read_yaml(file)
    except Unreadable:
        return file.stem.lower() in ('data', 'dataset')  # read later, with the reason
    return (
        isinstance(content, dict) and 'names' in content and bool({'nc', *_SPLITS} & set(content))
    )


def find_parts(root: Path, files: Iterable[Path], images: FileNames) -> YoloFiles:
    """The classes and splits of a data set.

    Args:
        root: its folder.
        files: the files in it.
        images: all its images.

    Raises:
        UsageError: more than one file says what the classes are, or its labels are of another kind.
        Unreadable: such a file cannot be read.
    """
    files = [*files]
    data = [file for file in files if is_data_file(file)]
    if len(data) > 1:
        raise UsageError(
            f'{root} has {len(data)} data files ({data[0]}, {data[1]}): name the one to read '
            'instead of the folder.'
        )
    anywhere = {path: split_of(relative(path, images.root)) for path in images.paths}
    if not data:
        return YoloFiles(_listed_names(root, files), anywhere)
    content = read_yaml(data[0])
    if not isinstance(content, dict):
        raise Unreadable(data[0], 'is no list of entries', 'correct it')
    if 'kpt_shape' in content:
        raise UsageError(
            f'{data[0]} has kpt_shape: key points (pose) are not trained here, export boxes or '
            'polygons.'
        )
    names = _names(content.get('names'), data[0])
    parts = YoloFiles(names, {})
    if 'nc' in content and content['nc'] != str(len(names)):
        detail = f'nc is {shorten(content["nc"])}, and {len(names)} are named'
        parts.problems.append(
            problem('another number of classes than names', data[0], 'nc', detail)
        )
    for key, split in _SPLITS.items():
        if content.get(key):
            _add_split(parts, content, key, split, data[0], images)
    if not parts.splits:
        parts.splits = anywhere
        parts.notes.append(f'{data[0].name} leads to no images: all below {images.root} are taken.')
    return parts


def _names(value: Any, file: Path) -> list[str]:
    if isinstance(value, dict):
        numbers = [key.strip() for key in value if isinstance(key, str)]
        if sorted(numbers) != sorted(map(str, range(len(value)))):
            raise Unreadable(file, 'does not number its names from 0 on', 'correct `names`')
        by_number = {int(key): name for key, name in value.items()}
        value = [by_number[number] for number in range(len(by_number))]
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise Unreadable(file, 'has no list `names` of the classes', 'add it')
    return _distinct([' '.join(name.split()) for name in value], file)


def _listed_names(root: Path, files: Iterable[Path]) -> list[str] | None:
    """The names in `classes.txt` or the like; None without such a file."""
    found = {}
    for file in files:
        if file.name.lower() in NAME_FILES:
            lines = [' '.join(line.split()) for line in read_text(file).splitlines()]
            found[tuple(filter(None, lines))] = file
    if len(found) > 1:
        one, other, *_ = found.values()
        raise UsageError(f'{one} and {other} name other classes: say --classes NAME NAME ….')
    for names, file in found.items():
        return _distinct([*names], file)
    return None


def _distinct(names: list[str], file: Path) -> list[str]:
    for name in names:
        if not name or not name.isprintable() or names.count(name) > 1:
            raise Unreadable(file, f'names a class {shorten(name)}, empty or twice', 'correct it')
    return names


def _add_split(
    parts: YoloFiles,
    content: dict[str, Any],
    key: str,
    split: str,
    file: Path,
    images: FileNames,
) -> None:
    """Add the images that an entry of a data file leads to."""
    value = content[key]
    entries = value if isinstance(value, list) else [value]
    if split == 'val' and value == content.get('train'):
        parts.notes.append(f'{file.name} names the same images for train and {key}: no split.')
        return
    for entry in entries:
        paths = (
            _images_of(entry, content.get('path'), file, images) if isinstance(entry, str) else None
        )
        if not paths:
            parts.problems.append(problem('split without images', file, key, shorten(entry)))
            continue
        for path in paths:
            if not path.exists():
                parts.problems.append(problem('missing image', file, key, str(path)))
            elif parts.splits.setdefault(path, split) != split:
                detail = f'{path.name}; {parts.splits[path]} was kept'
                parts.problems.append(problem('same image in two splits', file, key, detail))


def _images_of(entry: str, base: Any, file: Path, images: FileNames) -> list[Path] | None:
    """What an entry (a folder, a list of images, or a pattern) leads to; None if to nothing.

    Entries are below `path`, or else beside the file. Exports often name folders of the machine
    that made them, and Roboflow's begin with one '../' too many: then their last parts count.
    """
    entry = entry.strip().replace('\\', '/')
    tail = entry.lstrip('./') if entry.strip('./') else entry
    bases = [file.parent / base] if isinstance(base, str) and base else []
    for folder in (*bases, file.parent, images.root):
        for name in (entry, tail):
            place = folder / name
            try:
                fixed = Path(str(place).partition('*')[0], '.').resolve()
                if fixed in file.resolve().parents[1:]:
                    continue  # it is above the data: not what is meant, and perhaps the whole disk
                if place.is_file() and place.suffix.lower() == '.txt':
                    return _listed_images(place, folder, images)
                if '*' in name:
                    files = sorted(map(Path, glob.glob(str(place), recursive=True)))
                else:
                    files = [*files_below(place)]
                if found := [path for path in files if is_image(path)]:
                    return found
            except (OSError, ValueError, RuntimeError):  # a name that no file can have
                continue
    return None


def _listed_images(file: Path, base: Path, images: FileNames) -> list[Path]:
    """The images of a list, one path in a line: below the list's folder or `base`, or by name."""
    found = []
    for line in read_text(file).splitlines():
        name = line.strip().replace('\\', '/')
        if name:
            places = [file.parent / name, base / name]
            known = [place for place in places if place.is_file()] or images.find(name, file.parent)
            found.append(known[0] if len(known) >= 1 else places[0])
    return found
