"""Labelled images in a folder, an archive or a list, through timm's transforms.

timm's own readers of archives are not used: they keep open files, which workers then share, and
write an index beside the data.
"""

import io
import os
import posixpath
import tarfile
import zipfile
import zlib
from functools import lru_cache, partial
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image
from timm.data import create_transform
from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset


class DataError(RuntimeError):
    """Data that cannot be used, in one sentence with the file and the cure."""


@DATASETS.register_module()
class ImageFolder(BaseDataset):
    """The images of `data_root/CLASS/**/*.jpeg` (and .png, …), classes in alphabetical order.

    Args:
        data_root: folder of one split, such as data/imagenet/train.
        pipeline: transforms of dict(img_path, gt_label).
        metainfo: dict(classes=…), a list or a file with a name a line, fixes the classes and their
            order; a class may then have no folder, which without it would shift the others.
        **: see mmengine.dataset.BaseDataset.

    Raises:
        DataError: no such folder, no classes in it, a class that is empty or not in `classes`.
    """

    def load_data_list(self):
        """One dict(img_path, gt_label) an image, in the order of classes and file names."""
        root = Path(self.data_root or '')
        if not root.is_dir():
            raise DataError(
                f'Image folder {root} does not exist: put the dataset there or set '
                'data_root to where it is.'
            )
        folders = sorted(f.name for f in root.iterdir() if f.is_dir() and f.name[0] != '.')
        if not folders:
            raise DataError(f'{root} has no folders: expected one for each class of images.')
        labels = _labels(self, folders, root)
        samples = make_dataset(str(root), labels, extensions=IMG_EXTENSIONS, allow_empty=True)
        found = {label for _, label in samples}
        for name in folders:
            if labels[name] not in found:
                raise DataError(
                    f'{root / name} holds no image ({" ".join(IMG_EXTENSIONS)}): '
                    'add some or remove the folder.'
                )
        return [dict(img_path=path, gt_label=label) for path, label in samples]


@DATASETS.register_module()
class ImageArchive(BaseDataset):
    """The images of a .tar or .zip, with the names that ImageFolder's files have: CLASS/**/*.jpeg.

    A folder around all classes is passed over, and a tar of one tar a class, as ImageNet's training
    images come, is read as well. Nothing is unpacked: an image is read where it lies in the file.

    Args:
        data_root: the archive of one split, such as data/imagenet/train.tar.
        pipeline, metainfo, **: as ImageFolder.

    Raises:
        DataError: no such archive, one that cannot be read in place, no image in it, or a class
            that is not in `classes`.
    """

    def load_data_list(self):
        """One dict(img_path, gt_label, archive, member) an image, in ImageFolder's order."""
        archive = str(self.data_root or '')
        members = {posixpath.normpath(name): place for name, place in list_archive(archive)}
        for name in list(members):  # what file systems and zip programs add beside the images
            if any(part[0] == '.' or part == '__MACOSX' for part in name.split('/')):
                del members[name]
        depth = min((name.count('/') for name in members), default=0)
        if not depth:
            raise DataError(
                f'{archive} has no images ({" ".join(IMG_EXTENSIONS)}), or some '
                'outside of folders: expected CLASS/NAME.'
            )
        tops = {name.partition('/')[0] for name in members}
        if len(tops) == 1 and depth > 1:
            members = {name.partition('/')[2]: place for name, place in members.items()}
        labels = _labels(self, {name.partition('/')[0] for name in members}, archive)
        names = sorted(
            members, key=lambda name: (labels[name.partition('/')[0]], *posixpath.split(name))
        )
        return [
            dict(
                img_path=f'{archive}/{name}',
                gt_label=labels[name.partition('/')[0]],
                archive=archive,
                member=members[name],
            )
            for name in names
        ]


@DATASETS.register_module()
class ImageList(BaseDataset):
    """The images that a text file lists, a line each: PATH LABEL, under data_root.

    Args:
        ann_file: the list, under data_root too; labels are numbers from 0 on, or names of classes
            in all lines.
        data_root: folder of the images.
        pipeline: as ImageFolder.
        metainfo: as ImageFolder; without it classes are the names in alphabetical order, or the
            numbers up to the highest.
        **: see mmengine.dataset.BaseDataset.

    Raises:
        DataError: no such list, or a line of it that is no path and label.
    """

    def load_data_list(self):
        """One dict(img_path, gt_label) a line, in the order of the list."""
        try:
            lines = Path(self.ann_file).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f'{self.ann_file} cannot be read as a list of images '
                f'({type(error).__name__}): give its path as ann_file.'
            ) from None
        samples = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            path, *label = line.strip().rsplit(maxsplit=1)
            if not label:
                raise DataError(
                    f'{self.ann_file} has no label in line {number} ({path}): expected PATH LABEL.'
                )
            samples.append((os.path.join(self.data_root or '', path), *label))
        if not samples:
            raise DataError(f'{self.ann_file} lists no image: expected a line PATH LABEL for each.')
        found = {label for _, label in samples}
        if all(label.isdecimal() for label in found):
            classes = [str(i) for i in range(max(map(int, found)) + 1)]
            known = self._metainfo.setdefault('classes', classes)
            if len(known) < len(classes):
                raise DataError(
                    f'{self.ann_file} has label {len(classes) - 1}, metainfo names '
                    f'{len(known)} classes: make them agree.'
                )
            labels = {label: int(label) for label in found}
        else:
            labels = _labels(self, found, self.ann_file)
        return [dict(img_path=path, gt_label=labels[label]) for path, label in samples]


def _labels(dataset, names, source):
    """Name of each class -> its label; without metainfo the names are the classes."""
    classes = dataset._metainfo.setdefault('classes', sorted(names))
    if unknown := sorted(set(names) - set(classes)):
        raise DataError(
            f'{os.path.join(source, unknown[0])} is none of the {len(classes)} classes '
            'that metainfo names: rename or remove it.'
        )
    return {name: classes.index(name) for name in names}


def list_archive(path):
    """(name, place) of the images in a .tar or .zip; `read_member` reads what is at a place.

    Raises:
        DataError: the file is missing, or no such archive.
    """
    if not os.path.isfile(path):
        raise DataError(
            f'Archive {path} does not exist: put it there or set data_root to where it is.'
        )
    try:
        if path.lower().endswith('.zip'):
            with zipfile.ZipFile(path) as archive:
                found = [(name, name) for name in archive.namelist()]
        else:
            with open(path, 'rb') as file:
                found = list(_list_tar(file))
    except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
        reason = f'{type(error).__name__}: {error}'
        raise DataError(
            f'{path} is damaged, or no .zip and no uncompressed .tar ({reason}): make it again.'
        ) from None
    return [(name, place) for name, place in found if name.lower().endswith(IMG_EXTENSIONS)]


def _list_tar(file, start=0):
    """(name, (offset, size)) of the files in a tar and in the tars in it, these as folders."""
    file.seek(0)
    with tarfile.open(fileobj=file, mode='r:') as tar:
        while info := tar.next():
            tar.members = []  # which would take a gigabyte for all of ImageNet
            if not info.isreg():
                continue
            place = start + info.offset_data
            if info.name.lower().endswith('.tar'):
                with tar.extractfile(info) as inner:
                    for name, inner_place in _list_tar(inner, place):
                        yield f'{info.name[:-4]}/{name}', inner_place
            else:
                yield info.name, (place, info.size)


def read_member(path, place):
    """Content of an archive's file, at a place of `list_archive`.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(place, str):
        try:
            return _open_zip(path, os.getpid()).read(place)
        # Damaged, removed meanwhile, or of a kind that Python does not unpack, such as encrypted.
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:
            raise OSError(str(error)) from None
    offset, size = place
    # Opened each time: workers would move each other's place in a file that they share.
    with open(path, 'rb') as file:
        file.seek(offset)
        return file.read(size)


@lru_cache(maxsize=4)
def _open_zip(path, process):
    """A zip for one process, since its list of files takes long to read each time."""
    return zipfile.ZipFile(path)


@TRANSFORMS.register_module()
class ReadImage:
    """dict(img_path), maybe of an archive's file -> the same with `img`, a PIL image in RGB.

    Raises:
        DataError: the file is missing, damaged or no image.
    """

    def __call__(self, results):
        path = results['img_path']
        try:
            source = path
            if 'archive' in results:
                source = io.BytesIO(read_member(results['archive'], results['member']))
            with Image.open(source) as image:
                results['img'] = image.convert('RGB')
        # PIL's readers of damaged files raise each their own.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(
                f'{path} cannot be read as an image ({type(error).__name__}): '
                'replace or remove the file.'
            ) from None
        return results


def _keep_a_bit(level_fn, level, hparams):
    """timm posterizes to 0 bits at the highest level, a black image, which Pillow 12 refuses."""
    return (max(1, *level_fn(level, hparams)),)


@TRANSFORMS.register_module()
class TimmTransform:
    """dict(img, gt_label) -> dict(inputs (3, H, W), targets): timm's transforms and normalisation.

    Args: those of timm.data.create_transform; is_training=True selects the augmentations.
    """

    def __init__(self, **kwargs):
        self.transform = create_transform(**kwargs)
        for step in self.transform.transforms:
            for operation in getattr(step, 'ops', []):  # RandAugment's
                if operation.name.startswith('Posterize'):
                    operation.level_fn = partial(_keep_a_bit, operation.level_fn)

    def __call__(self, results):
        packed = dict(inputs=self.transform(results['img']))
        if 'gt_label' in results:
            packed['targets'] = results['gt_label']
        return packed

    def __repr__(self):
        return f'{type(self).__name__}({self.transform})'
