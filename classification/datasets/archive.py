"""Labelled images in a .tar or .zip, read in place.

timm's own readers of archives are not used: they keep open files, which workers then share, and
write an index beside the data.
"""

import os
import posixpath
import tarfile
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, cast

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from ..engine.errors import DataError
from ..engine.images import IMAGE_SUFFIXES
from .folder import label_classes

# A file in an archive: its name in a zip, (offset, size) in bytes in a tar.
Member = str | tuple[int, int]
# Bytes of an image file in an archive; more is refused where the archive itself is not larger.
_LARGEST = 1 << 28


@DATASETS.register_module()
class ImageArchive(BaseDataset):
    """The images of a .tar or .zip, with the names that ImageFolder's files have: CLASS/**/*.jpeg.

    A single top folder is skipped. A tar of one tar per class (ILSVRC2012_img_train.tar) works too.
    Nothing is unpacked: an image is read where it lies in the file.

    Args:
        data_root: the archive of one split, such as data/imagenet/train.tar.
        pipeline, metainfo, **: as ImageFolder.

    Raises:
        DataError: no such archive, one that cannot be read in place, no image in it, one that
            unpacks to far more than the archive holds, or a class that is not in `classes`.
    """

    def load_data_list(self) -> list[dict]:
        """One dict(img_path, gt_label, archive, member) per image, in ImageFolder's order."""
        archive = str(self.data_root or '')
        # Absolute names lose their slash, as when tar and unzip unpack them.
        members = {
            posixpath.normpath(name.lstrip('/')): member for name, member in list_archive(archive)
        }
        for name in list(members):  # what file systems and zip programs add beside the images
            if any(part[0] == '.' or part == '__MACOSX' for part in name.split('/')):
                del members[name]
        depth = min((name.count('/') for name in members), default=0)
        if not depth:
            raise DataError(
                f'{archive} has no images ({" ".join(IMAGE_SUFFIXES)}), or some '
                'outside of folders: expected CLASS/NAME.'
            )
        tops = {name.partition('/')[0] for name in members}
        if len(tops) == 1 and depth > 1:
            members = {name.partition('/')[2]: member for name, member in members.items()}
        labels = label_classes(self, {name.partition('/')[0] for name in members}, archive)
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


def list_archive(path: str) -> list[tuple[str, Member]]:
    """(name, member) of the images in a .tar or .zip, for `read_member`.

    Raises:
        DataError: the file is missing, or no such archive.
    """
    if not os.path.isfile(path):
        raise DataError(
            f'Archive {path} does not exist: put it there or set data_root to where it is.'
        )
    found: list[tuple[str, Member, int]]
    try:
        most = max(_LARGEST, os.path.getsize(path))
        if path.lower().endswith('.zip'):
            with zipfile.ZipFile(path) as archive:
                found = [(i.filename, i.filename, i.file_size) for i in archive.infolist()]
        else:
            with open(path, 'rb') as file:
                found = [*_list_tar(file)]
    except Exception as error:  # damaged archives make Python's readers raise anything
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise DataError(
            f'{path} is damaged, or no .zip and no uncompressed .tar ({reason}): make it again.'
        ) from None
    found = [entry for entry in found if entry[0].lower().endswith(IMAGE_SUFFIXES)]
    for name, _, size in found:
        if size > most:
            raise DataError(
                f'{path}/{name} would unpack to {size} bytes, which no image needs: '
                'make the archive again without it.'
            )
    return [(name, member) for name, member, _ in found]


def _list_tar(
    file: IO[bytes], start: int = 0, inside: bool = False
) -> Iterator[tuple[str, tuple[int, int], int]]:
    """(name, (offset, size), size) of the files in a tar and in the tars in it, as folders.

    `start` is the offset of `file` in the outermost tar, in bytes as all sizes; `inside` says that
    it is not the outermost, where a tar is a file like others.
    """
    file.seek(0)
    with tarfile.open(fileobj=file, mode='r:') as tar:
        while info := tar.next():
            # tarfile's list, which its stubs leave out, would take a gigabyte for all of ImageNet.
            tar.members = []  # type: ignore[attr-defined]
            if not info.isreg():
                continue
            offset = start + info.offset_data
            if info.name.lower().endswith('.tar') and not inside:
                with cast(IO[bytes], tar.extractfile(info)) as inner:  # None of no file, as a link
                    for name, member, size in _list_tar(inner, offset, inside=True):
                        yield f'{info.name[:-4]}/{name}', member, size
            else:
                yield info.name, (offset, info.size), info.size


def read_member(path: str, member: Member) -> bytes:
    """Content of a file in an archive, as `list_archive` lists it.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(member, str):
        try:
            archive = _open_zip(path, os.getpid())
            info = archive.getinfo(member)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise OSError('neither stored nor deflated')
            with archive.open(info) as file:
                return file.read(info.file_size)  # without the size a bomb would unpack wholly
        # Damaged, removed meanwhile, or of a kind that Python does not unpack, such as encrypted.
        except Exception as error:
            raise OSError(str(error)) from None
    offset, size = member
    # Opened each time: workers that share a file would move each other's offset.
    with open(path, 'rb') as file:
        file.seek(offset)
        return file.read(size)


@lru_cache(maxsize=4)
def _open_zip(path: str, process: int) -> zipfile.ZipFile:
    """A zip kept open for one process, since its list of files takes long to read."""
    return zipfile.ZipFile(path)
