"""Files by what other files call them: the images of annotations, the labels of images."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePath

from .tree import is_image


class FileNames:
    """Files of a folder, found by name.

    Args:
        paths: the files.
        root: the folder in which they lie.
    """

    def __init__(self, paths: Iterable[Path], root: Path) -> None:
        self.paths = [*paths]
        self.root = root
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in self.paths:
            self._by_stem[path.stem.lower()].append(path)

    def find(self, name: str, near: Path) -> list[Path]:
        """Files that one in the folder `near` means by `name`.

        More than one are found only where nothing tells them apart.

        Args:
            name: a path of any system, with or without folders and suffix. The suffix and the case
                may differ from the file's: tools export an 'a.PNG' as 'a.jpg'.
        """
        wanted = PurePath(name.replace('\\', '/'))
        stem = wanted.stem if is_image(wanted) else wanted.name
        found = self._by_stem.get(stem.lower(), [])
        for is_nearer in (
            lambda path: path.parts[-len(wanted.parts) :] == wanted.parts,
            lambda path: path.name == wanted.name,
            lambda path: path.parent == near,
            lambda path: path.parent.name == near.name,  # images/train, labels/train
            lambda path: path.parent.parent == near.parent,  # train/images, train/labels
            lambda path: near in path.parents,
        ):
            found = [*filter(is_nearer, found)] or found
        return found
