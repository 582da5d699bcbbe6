"""What a folder holds that may be annotations, by a look at names and at the heads of files."""

import json
import mmap
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from .files.names import FileNames
from .files.tree import SPLIT_NAMES, files_below, is_image, relative, split_of
from .layouts.yolo import is_label_file
from .layouts.yolo_files import is_data_file

_HEAD = 1 << 16  # bytes
# Words in the names of folders of images and of maps of classes, in small letters.
_IMAGE_WORDS = {
    'image',
    'images',
    'img',
    'imgs',
    'jpegimages',
    'photos',
    'pictures',
    'rgb',
    'input',
}
_MAP_WORDS = {
    *('mask', 'masks', 'map', 'maps', 'label', 'labels', 'annotation', 'annotations', 'gt'),
    *('segmentationclass', 'segmentation', 'groundtruth', 'labelids', 'semantic', 'seg'),
}
_MAP_ENDING = re.compile(r'[-_](mask|labels?|seg|gt|labelIds|labelTrainIds)$')
_LEGENDS = re.compile(r'(labelmap\.txt|legend\.(csv|json|txt)|_classes\.csv|class_dict\.csv)', re.I)
# Of one image, COCO has several files; objects are in those called instances.
_OTHER_COCO = ('captions_', 'person_keypoints_', 'stuff_', 'panoptic_', 'image_info_')


@dataclass
class Evidence:
    """What was found.

    Attributes:
        root: the folder.
        images: its images.
        files: all files where annotations are looked for.
        coco, labelme, voc, cvat: their files.
        yolo: label files, one for each image, and data.yaml.
        maps: pairs of folders, of images and of their maps.
        legends: files that may say what values of maps mean.
        folders: the folder of one folder per class (and per split above them), or None.
    """

    root: Path
    images: FileNames
    files: list[Path]
    coco: list[Path] = field(default_factory=list)
    labelme: list[Path] = field(default_factory=list)
    voc: list[Path] = field(default_factory=list)
    cvat: list[Path] = field(default_factory=list)
    yolo: list[Path] = field(default_factory=list)
    maps: list[tuple[Path, Path]] = field(default_factory=list)
    legends: list[Path] = field(default_factory=list)
    folders: Path | None = None


def look(root: Path, images: Path | None = None, labels: Path | None = None) -> Evidence:
    """Look through a folder, or through one for images and one for annotations."""
    files = [*files_below(labels or root)]
    pictures = [path for path in files_below(images or root) if is_image(path)]
    found = Evidence(root, FileNames(pictures, images or root), files)
    for file in files:
        suffix = file.suffix.lower()
        if suffix == '.json':
            _add_json(file, found)
        elif suffix == '.xml':
            _add_xml(file, found)
        elif _LEGENDS.fullmatch(file.name):
            found.legends.append(file)
    if any(file.name.startswith('instances_') for file in found.coco):
        found.coco = [file for file in found.coco if not file.name.startswith(_OTHER_COCO)]
    found.yolo = _yolo_files(found)
    found.maps = _map_folders(found, images, labels)
    if not labels:
        found.folders = class_folders(images or root)
    return found


def _ends(file: Path) -> bytes:
    """The beginning and the end of a file, without the zeros of UTF-16."""
    try:
        with file.open('rb') as stream:
            head = stream.read(_HEAD)
            stream.seek(max(stream.tell(), file.stat().st_size - _HEAD))
            return (head + stream.read()).replace(b'\0', b'')
    except OSError:
        return b''


def _add_json(file: Path, found: Evidence) -> None:
    keys = set(re.findall(rb'"(shapes|images|annotations|categories)"\s*:', _ends(file)))
    if b'shapes' in keys:
        found.labelme.append(file)
    elif len(keys) >= 2:
        found.coco.append(file)


def _add_xml(file: Path, found: Evidence) -> None:
    root = re.search(rb'<(annotations?)[\s>/]', _ends(file))
    if root:
        (found.voc if root[1] == b'annotation' else found.cvat).append(file)


def _yolo_files(found: Evidence) -> list[Path]:
    data = [file for file in found.files if is_data_file(file)]
    labels = [file for file in found.files if is_label_file(file)]
    used = [file for file in labels if found.images.find(file.stem, file.parent)]
    filled = any(file.stat().st_size for file in used)
    in_place = any(file.parent.name.lower() == 'labels' for file in labels)
    return data + labels if data or filled or in_place else []


def _map_folders(
    found: Evidence, images: Path | None, labels: Path | None
) -> list[tuple[Path, Path]]:
    """Pairs of folders of images and maps that have the same names.

    images/train and masks/train, train/images and train/masks, train_images and train_masks; or one
    folder of a.jpg and a_mask.png.
    """
    maps = [path for path in found.files if is_image(path) or path.suffix.lower() == '.npy']
    if images and labels:
        same = _names(found.images.paths, images) & _names(maps, labels)
        return [(images, labels)] if same and images != labels else []
    stems: dict[Path, set[str]] = defaultdict(set)
    for path in maps:
        stems[path.parent].add(path.stem)
    pairs = []
    for folder, names in stems.items():
        place = relative(folder, found.root)
        if any(_MAP_ENDING.sub('', name) in names - {name} for name in names):
            pairs.append((folder, folder))
            continue
        for other, other_names in stems.items():
            words, other_words = _words(place), _words(relative(other, found.root))
            if not other_words & _MAP_WORDS - words or words & _MAP_WORDS - other_words:
                continue
            same_place = words - _IMAGE_WORDS == other_words - _MAP_WORDS - _IMAGE_WORDS
            if same_place and names & {_MAP_ENDING.sub('', name) for name in other_names}:
                pairs.append((folder, other))
    return pairs


def _names(paths: Iterable[Path], root: Path) -> set[str]:
    return {_MAP_ENDING.sub('', relative(path, root).with_suffix('').as_posix()) for path in paths}


def _words(folder: Path) -> set[str]:
    return {word for part in folder.parts for word in re.split(r'[-_. ]', part.lower())}


def class_folders(root: Path) -> Path | None:
    """The folder below which each folder of images is a class, or None.

    There are at least two of them, no images beside them, and at most splits above them.
    """
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    for path in files_below(root):
        if is_image(path):
            counts[relative(path, root).parts[:-1]] += 1
    base: tuple[str, ...] = ()
    while counts and len({place[len(base) : len(base) + 1] for place in counts}) == 1:
        step = next(iter(counts))[len(base) : len(base) + 1]
        if not step:
            return None  # the images lie here
        base += step
    below = [place[len(base) :] for place in counts]
    if any(SPLIT_NAMES.get(place[0].lower()) for place in below if place):
        if not all(place and place[0].lower() in SPLIT_NAMES for place in below):
            return None
        below = [place[1:] for place in below]
    elif len(base) and base[-1].lower() in SPLIT_NAMES:
        base = base[:-1]  # the only split there is
    names = {place[0] for place in below if place}
    plain = all(_words(Path(name)) <= _IMAGE_WORDS | _MAP_WORDS for name in names)
    if () in below or len(names) < 2 or plain:
        return None
    return root.joinpath(*base)


def coco_place(file: Path, images: FileNames) -> tuple[Path, str | None]:
    """(the folder from which a COCO file's names of images lead to them, its split or None)."""
    words = re.split(r'[-_. ]', file.stem.lower())
    split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)
    split = split or split_of(relative(file, images.root))
    for name in _coco_names(file):
        found = images.find(name, file.parent)
        if len(found) > 1:  # coco/annotations/instances_val2017.json, coco/val2017
            found = [path for path in found if _agrees(path, words, split, images.root)]
        if found:
            depth = len(Path(name.replace('\\', '/')).parts)
            folder = found[0].parents[min(depth, len(found[0].parents)) - 1]
            return folder, split or split_of(relative(found[0], images.root))
    return (images.root if images.paths else file.parent), split


def _agrees(path: Path, words: list[str], split: str | None, root: Path) -> bool:
    """Whether an image lies in a folder that a file with these words in its name means."""
    place = relative(path, root)
    return bool({*words} & {part.lower() for part in place.parts[:-1]}) or (
        split is not None and split_of(place) == split
    )


def _coco_names(file: Path) -> list[str]:
    """The first names of images in a COCO file, without reading all of it."""
    try:
        with (
            file.open('rb') as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text,
        ):
            # A search that is not at its end would hold on to the file.
            found = re.finditer(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.){1,1000}")', text)
            names = [json.loads(match[1]) for match in islice(found, 5)]
            del found
            return names
    except (OSError, ValueError):  # an empty file too
        return []
