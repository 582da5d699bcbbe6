"""Recognises the layout of annotated images by looking, and reads them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ..engine.errors import UsageError, shorten_list
from .evidence import Evidence, coco_place, look
from .files.tree import is_image, relative, split_of
from .layouts.coco import read_coco
from .layouts.cvat import read_cvat
from .layouts.folders import read_folders
from .layouts.labelme import read_labelme
from .layouts.legend import read_legend
from .layouts.maps import pair_maps, read_pairs
from .layouts.voc import read_voc
from .layouts.yolo import read_yolo
from .merging import merge
from .records import Annotations

# Layout -> what it is called in a sentence.
LAYOUTS = {
    'coco': 'COCO files',
    'yolo': 'YOLO labels',
    'voc': 'Pascal VOC files',
    'labelme': 'labelme files',
    'cvat': 'CVAT files',
    'maps': 'maps of classes',
    'folders': 'a folder of images for each class',
}
_OF_OBJECTS = ('coco', 'yolo', 'voc', 'labelme', 'cvat')
# What is learned (boxes, masks of objects, maps of classes, classes of whole images) -> from what.
TASKS = {
    'detect': _OF_OBJECTS,
    'segment': _OF_OBJECTS,
    'semantic': ('maps',),
    'classify': ('folders',),
}
_ARCHIVES = ('.zip', '.tar', '.tgz', '.gz', '.bz2', '.xz', '.7z', '.rar')


def read_dataset(
    path: str | os.PathLike,
    layout: str | None = None,
    task: str | None = None,
    classes: Sequence[str] | None = None,
    images: str | os.PathLike | None = None,
    labels: str | os.PathLike | None = None,
) -> Annotations:
    """Recognise and read annotated images; `Annotations.notes` say what was found and why.

    Args:
        path: the folder as it was downloaded or made, or its one file of annotations.
        layout: a key of LAYOUTS, None to recognise it.
        task: a key of TASKS, None for all that the annotations allow.
        classes: names of the classes in order, None for those that the annotations name.
        images: the folder of the images, where it cannot be found from `path`.
        labels: the folder of the annotations (or maps), likewise.

    Raises:
        UsageError: nothing was recognised, or more than one reading is possible; the sentence names
            the options that answer it.
        DataError: a file that all depends on cannot be read.
    """
    path = Path(path)
    images, labels = (None if folder is None else Path(folder) for folder in (images, labels))
    for folder in (path, images, labels):
        if folder is not None and not folder.exists():
            raise UsageError(f'{folder} does not exist: name the folder of your images.')
        if folder is not None and folder.is_file() and folder.suffix.lower() in _ARCHIVES:
            raise UsageError(f'{folder} is an archive: unpack it and name the folder.')
    found = _look(path, images, labels)
    chosen = layout or _choose(found, task)
    if not _count(found, chosen):
        raise UsageError(f'{path} holds no {LAYOUTS[chosen].removeprefix("a ")}: {_expected()}.')
    annotations = _READERS[chosen](found, classes, task)
    if not annotations.images and not found.images.paths:
        raise UsageError(f'{path} holds {LAYOUTS[chosen]} and no images: say --images DIR.')
    why = '' if layout else f', recognised by {_reason(found, chosen)}'
    annotations.notes.insert(0, f'{path} is read as {chosen}{why}.')
    if task == 'segment' and annotations.has_objects and not annotations.has_masks:
        without = sum(not item.has_mask for image in annotations.images for item in image.instances)
        raise UsageError(
            f'{path} has {without} objects with a box and no mask: draw their outlines, or say '
            '--task detect.'
        )
    return annotations


def _look(path: Path, images: Path | None, labels: Path | None) -> Evidence:
    if not path.is_file():
        return look(path, images, labels)
    folder = path.parent
    found = look(folder, images, labels)
    kinds = ('coco', 'labelme', 'voc', 'cvat', 'yolo')
    kind = next((kind for kind in kinds if path in getattr(found, kind)), None)
    if not kind:
        raise UsageError(f'{path} is no file of annotations that is known: {_expected()}.')
    chosen = Evidence(folder, found.images, found.files)
    if kind == 'yolo':  # data.yaml: the labels lie beside the images
        others = [file for file in found.yolo if file.suffix.lower() in ('.yaml', '.yml')]
        chosen.files = [file for file in found.files if file == path or file not in others]
        chosen.yolo = [file for file in found.yolo if file in chosen.files]
    else:
        setattr(chosen, kind, [path])
    return chosen


def _count(found: Evidence, layout: str) -> int:
    value = getattr(found, layout)
    return len(value) if isinstance(value, list) else int(value is not None)


def _reason(found: Evidence, layout: str) -> str:
    value = getattr(found, layout)
    if layout == 'folders':
        return f'the folders of classes in {value}'
    if layout == 'maps':
        images, maps = value[0]
        return f'{maps} with maps named as the images in {images}'
    return f'{value[0]}' + (f' and {len(value) - 1} more files' if len(value) > 1 else '')


def _expected() -> str:
    return f'what is read are {", ".join(LAYOUTS.values())}'


def _choose(found: Evidence, task: str | None) -> str:
    """The layout of what was found, where there is one reading only."""
    allowed = TASKS[task] if task else tuple(LAYOUTS)
    held = [layout for layout in LAYOUTS if _count(found, layout)]
    if held != ['folders'] and task != 'classify':  # files of annotations say more than folders
        held = [layout for layout in held if layout != 'folders']
    options = [layout for layout in held if layout in allowed]
    if len(options) == 1:
        _ask_whether_classes(found, options[0], task)
        return options[0]
    if options:
        listed = ' and '.join(f'{LAYOUTS[o]} ({_reason(found, o)})' for o in options)
        answers = ' or '.join(f'--layout {option}' for option in options)
        raise UsageError(f'{found.root} holds {listed}: say {answers}.')
    if held:
        listed = ' and '.join(LAYOUTS[layout] for layout in held)
        tasks = [name for name, layouts in TASKS.items() if set(layouts) & set(held)]
        answers = ' or '.join(f'--task {name}' for name in tasks)
        raise UsageError(
            f'{found.root} holds {listed}, which --task {task} cannot use: say {answers}.'
        )
    raise _nothing(found)


def _ask_whether_classes(found: Evidence, layout: str, task: str | None) -> None:
    """Folders of one or two images each are perhaps no classes."""
    if layout == 'folders' and not task and found.folders:
        names = {path.parent for path in found.images.paths}
        if len(found.images.paths) < 2 * len(names):
            raise UsageError(
                f'{found.folders} has {len(names)} folders with {len(found.images.paths)} images '
                'and no labels: say --task classify where the folders are the classes.'
            )


def _nothing(found: Evidence) -> UsageError:
    count = len(found.images.paths)
    others = [file for file in found.files if not is_image(file)]
    packed = [file for file in others if file.suffix.lower() in _ARCHIVES]
    if packed:
        return UsageError(f'{packed[0]} is an archive: unpack it and name the folder.')
    if not count and not others:
        return UsageError(f'{found.root} is empty: name the folder of your images.')
    if not count:
        return UsageError(f'{found.root} holds no images: say --images DIR where they are.')
    beside = f' (beside them: {shorten_list([file.name for file in others], 3)})' if others else ''
    return UsageError(
        f'{found.root} holds {count} images and no labels that are known{beside}: {_expected()}; '
        'say --labels DIR where they lie elsewhere.'
    )


def _read_coco(found: Evidence, classes: Sequence[str] | None, task: str | None) -> Annotations:
    parts = []
    for file in found.coco:
        folder, split = coco_place(file, found.images)
        parts.append(read_coco(file, folder, classes, split))
    return merge(parts, found.root)


def _read_maps(found: Evidence, classes: Sequence[str] | None, task: str | None) -> Annotations:
    pairs, problems, splits, notes = [], [], {}, []
    for images, maps in found.maps:
        paired, wrong = pair_maps(images, maps)
        if maps.name.lower() == 'segmentationclass':  # VOC has maps of a part of its images
            left = [problem for problem in wrong if problem.kind == 'image without a map']
            wrong = [problem for problem in wrong if problem not in left]
            if left:
                notes.append(f'{len(left)} images in {images} have no map, and are left out.')
        pairs += paired
        problems += wrong
        splits.update({image: split_of(relative(image, found.root)) for image, _ in paired})
    texts = {file.read_bytes() for file in found.legends}
    if len(texts) > 1:
        raise UsageError(
            f'{found.legends[0]} and {found.legends[1]} are different legends: keep one of them.'
        )
    legend = None
    if found.legends:
        names, legend = read_legend(found.legends[0])
        classes = classes or names
        notes.append(f'The classes of the maps are those of {found.legends[0]}.')
    annotations = read_pairs(found.root, pairs, classes, legend, problems=problems)
    for image in annotations.images:
        image.split = splits.get(image.path)
    annotations.notes += notes
    return annotations


def _read_folders(found: Evidence, classes: Sequence[str] | None, task: str | None) -> Annotations:
    assert found.folders
    return read_folders(found.folders, classes)


_READERS: dict[str, Callable[[Evidence, Sequence[str] | None, str | None], Annotations]] = {
    'coco': _read_coco,
    'yolo': lambda found, classes, task: read_yolo(
        found.root, found.files, found.images, classes, task
    ),
    'voc': lambda found, classes, _: read_voc(found.root, found.voc, found.images, classes),
    'labelme': lambda found, classes, _: read_labelme(
        found.root, found.labelme, found.images, classes
    ),
    'cvat': lambda found, classes, _: read_cvat(found.root, found.cvat, found.images, classes),
    'maps': _read_maps,
    'folders': _read_folders,
}
