"""Images sorted into one folder per class."""

from collections.abc import Sequence
from pathlib import Path

from ...engine.errors import DataError
from ..files.images import list_images, look_at_images
from ..files.tree import SPLIT_NAMES
from ..problems.kinds import problem
from ..records import AnnotatedImage, Annotations


def read_folders(root: Path, classes: Sequence[str] | None = None) -> Annotations:
    """The images of `root/CLASS/**`, or of `root/SPLIT/CLASS/**` with splits as in SPLIT_NAMES.

    Args:
        root: the folder.
        classes: expected names in order; None takes the folders', in alphabetical order.

    Raises:
        DataError: there are no folders of classes.
    """
    if not root.is_dir():
        raise DataError(f'{root} does not exist: name the folder that holds one for each class.')
    folders = _folders(root)
    splits = {folder: SPLIT_NAMES.get(folder.name.lower()) for folder in folders}
    tops = {root: None} if not folders or None in splits.values() else splits
    found = [(split, folder) for top, split in tops.items() for folder in _folders(top)]
    if not found:
        raise DataError(f'{root} has no folders: expected one for each class of images.')
    names = sorted({folder.name for _, folder in found})
    result = Annotations('folders', root, list(names if classes is None else classes), [])
    result.problems += [
        problem('class that is missing', root, '', name)
        for name in result.classes
        if name not in names
    ]
    result.problems += [
        problem('image in no class folder', image)
        for top in tops
        for image in list_images(top)
        if image.parent == top
    ]
    for split, folder in found:
        if folder.name not in result.classes:
            result.problems.append(problem('class that is not expected', folder))
            continue
        label = result.classes.index(folder.name)
        paths = list_images(folder)
        if not paths:
            result.problems.append(problem('class folder without images', folder))
        for path, file in look_at_images(paths).items():
            if unusable := file.unusable(path):
                result.problems.append(unusable)
            image = AnnotatedImage(path, file.size, label=label, split=split, source=folder)
            result.images.append(image)
    result.images.sort(key=lambda image: image.path)
    return result


def _folders(root: Path) -> list[Path]:
    return sorted(
        folder
        for folder in root.iterdir()
        if folder.is_dir() and folder.name[0] != '.' and folder.name != '__MACOSX'
    )
