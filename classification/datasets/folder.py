"""Labelled images in a folder of one folder per class."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from ..engine.errors import DataError
from ..engine.images import IMAGE_SUFFIXES


@DATASETS.register_module()
class ImageFolder(BaseDataset):
    """The images of `data_root/CLASS/**/*.jpeg` (and .png, …), classes in alphabetical order.

    Args:
        data_root: folder of one split, such as data/imagenet/train.
        pipeline: transforms of dict(img_path, gt_label).
        metainfo: dict(classes=…), a list or a file with one name per line, fixes the classes and
            their order; without it a class that has no folder would shift the labels of others.
        **: see mmengine.dataset.BaseDataset.

    Hidden files and folders, such as those that macOS writes beside the images, are left out.

    Raises:
        DataError: no such folder, no classes in it, a class that is empty or not in `classes`, or a
            link that leads into the dataset itself.
    """

    def load_data_list(self) -> list[dict]:
        """One dict(img_path, gt_label) per image, in the order of classes and file names."""
        root = Path(self.data_root or '')
        if not root.is_dir():
            raise DataError(
                f'Image folder {root} does not exist: put the dataset there or set '
                'data_root to where it is.'
            )
        folders = sorted(f.name for f in root.iterdir() if f.is_dir() and f.name[0] != '.')
        if not folders:
            raise DataError(f'{root} has no folders: expected one for each class of images.')
        labels = label_classes(self, folders, root)
        samples = []
        for name in folders:
            paths = sorted(_images(root, root / name), key=os.path.split)
            if not paths:
                raise DataError(
                    f'{root / name} holds no image ({" ".join(IMAGE_SUFFIXES)}): '
                    'add some or remove the folder.'
                )
            samples += [dict(img_path=path, gt_label=labels[name]) for path in paths]
        return samples


def _images(root: Path, folder: Path) -> Iterator[str]:
    """Paths of the images in a folder of the dataset at `root`, in depth.

    Raises:
        DataError: a link leads to a folder of the dataset, or to one that holds it: the images
            there would be of two classes.
    """
    home = root.resolve()
    for at, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name[0] != '.']
        for path in (at, *(os.path.join(at, name) for name in folders)):
            target = Path(path).resolve()
            if os.path.islink(path) and (home in target.parents or home.is_relative_to(target)):
                raise DataError(
                    f'{path} is a link into the dataset itself, so that its images would be of '
                    'two classes: remove it.'
                )
        for name in files:
            if name[0] != '.' and name.lower().endswith(IMAGE_SUFFIXES):
                yield os.path.join(at, name)


def label_classes(
    dataset: BaseDataset, names: Iterable[str], source: str | os.PathLike
) -> dict[str, int]:
    """Name of each class -> its label; without metainfo the names are the classes.

    Args:
        dataset: whose metainfo is asked for the classes, or else told them.
        names: classes that were found.
        source: where, for the error.

    Raises:
        DataError: metainfo does not know one of the names.
    """
    classes = dataset._metainfo.setdefault('classes', sorted(names))
    if unknown := sorted(set(names) - set(classes)):
        raise DataError(
            f'{os.path.join(source, unknown[0])} is none of the {len(classes)} classes '
            'that metainfo names: rename or remove it.'
        )
    return {name: classes.index(name) for name in names}
