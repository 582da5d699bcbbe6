"""Reads Pascal VOC's XML files, one for each image.

Corners of boxes count from 1: as in mmdet's XMLDataset all four are taken less 1. Objects marked
`difficult` are crowds, which mmdet ignores in training and evaluation alike. Lists in
ImageSets/Main say the splits where they are there. Images without a file are left out.

Format: The PASCAL Visual Object Classes Challenge 2012 (VOC2012) Development Kit, section 8.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from ..files.names import FileNames
from ..files.parsing import Unreadable, read_text, read_xml
from ..files.tree import SPLIT_NAMES, relative, split_of
from ..records import AnnotatedImage, Annotations
from .gathering import Gathering
from .objects import Drawn, box_object, numbers
from .shapes import Unusable, shorten


def read_voc(
    root: Path, files: Iterable[Path], images: FileNames, classes: Sequence[str] | None = None
) -> Annotations:
    """Read VOC's files of a folder.

    Args:
        root: the folder.
        files: its XML files.
        images: the images that they may be of.
        classes: names of the classes in order, None for all that occur, by name.
    """
    gathering = Gathering('voc', root, classes)
    files = [*files]
    splits = _read_lists({file.parent.parent for file in files}, gathering)
    for file in files:
        try:
            _read_file(file, images, splits, gathering)
        except Unreadable as error:
            gathering.report('unreadable label file', file, '', error.reason)
    known = {_key(file) for file in files}
    for key in sorted(splits.keys() - known):
        detail = f'{shorten(key[1])}, of {splits[key]}'
        gathering.report('list names what is not there', key[0] / 'ImageSets/Main', '', detail)
    gathering.report_unlabelled(images, files)
    annotations = gathering.finish()
    unlisted = sum(key not in splits for key in known)
    if splits and unlisted:
        annotations.notes.append(
            f'{unlisted} label files are in no list of ImageSets/Main, and left out.'
        )
    return annotations


def _key(file: Path) -> tuple[Path, str]:
    return file.parent.parent, file.stem


def _read_lists(kits: Iterable[Path], gathering: Gathering) -> dict[tuple[Path, str], str]:
    """{(folder of a kit, image's name): split}, empty without lists.

    VOC's trainval.txt repeats train.txt and val.txt; without these it is what is trained on.
    """
    splits: dict[tuple[Path, str], str] = {}
    for kit in sorted(kits):
        lists = {file.stem.lower(): file for file in sorted(kit.glob('ImageSets/Main/*.txt'))}
        if 'trainval' in lists and not {'train', 'val'} & lists.keys():
            lists['train'] = lists['trainval']
        for name, file in lists.items():
            if name not in SPLIT_NAMES:  # of one class
                continue
            try:
                lines = read_text(file).splitlines()
            except Unreadable as error:
                gathering.report('unreadable list of images', file, '', error.reason)
                continue
            for number, line in enumerate(lines, 1):
                if line.strip():
                    key = kit, line.strip()
                    if splits.setdefault(key, SPLIT_NAMES[name]) != SPLIT_NAMES[name]:
                        detail = f'{shorten(key[1])}; {splits[key]} was kept'
                        kind = 'same image in two splits'
                        gathering.report(kind, file, f'line {number}', detail)
    return splits


def _read_file(
    file: Path, images: FileNames, splits: dict[tuple[Path, str], str], gathering: Gathering
) -> None:
    if splits and _key(file) not in splits:
        return
    content = read_xml(file)
    if content.tag != 'annotation':
        raise Unreadable(file, f'begins with <{shorten(content.tag)}>, not <annotation>')
    path = gathering.image_of(file, content.findtext('filename'), images)
    if not path:
        return
    split = splits.get(_key(file)) or split_of(relative(file, gathering.root))
    split = split or split_of(relative(path, images.root))
    stated = content.findtext('size/width', '0'), content.findtext('size/height', '0')
    image = gathering.image(path, file, split, stated=stated)
    if image:
        for index, element in enumerate(content.iterfind('object'), 1):
            gathering.add(
                image,
                f'object {index}',
                element.findtext('name'),
                partial(_draw, element, image),
                crowd=element.findtext('difficult', '0').strip() == '1',
            )


def _draw(element: Element, image: AnnotatedImage) -> Drawn:
    assert image.size
    difficult = element.findtext('difficult', '0').strip()
    if difficult not in ('0', '1'):
        raise Unusable('difficult that is neither 0 nor 1', shorten(difficult))
    sides = [element.findtext(f'bndbox/{side}') for side in ('xmin', 'ymin', 'xmax', 'ymax')]
    corners = numbers(sides, 'box that is not four numbers')
    return box_object([corner - 1 for corner in corners], image.size)
