"""Images in tar files, read in order and not unpacked, as WebDataset keeps them."""

import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from ..errors import one_line
from ..images import IMAGE_SUFFIXES
from .source import Content, Refused, Source

SUFFIX = '.tar'
_LARGEST = 1 << 28  # bytes of an image file; of a header, too, which is read as a whole


@dataclass(frozen=True)
class Tar:
    """A tar file, not compressed; an iterable of its images.

    What is neither image nor folder, such as WebDataset's labels, is passed over. Nothing is ever
    written, so a member cannot harm files; what is not read all the same is given as `Refused`,
    with the reason: links and devices, absolute names and those with `..`, files of over 256 MB,
    and what follows damage.

    Attributes:
        path: the file.
        name: the folder of its images in an output folder.
    """

    path: str
    name: Path

    def __iter__(self) -> Iterator[Source]:
        taken: Counter[Path] = Counter()
        try:
            with (
                open(self.path, 'rb') as file,
                # A name that is no UTF-8 is shown with its bytes as \xff.
                tarfile.open(
                    fileobj=cast(BinaryIO, _Bounded(file)), mode='r:', errors='backslashreplace'
                ) as tar,
            ):
                while (member := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # which would grow with each
                    if member.isdir():
                        continue
                    reason = _refusal(member)
                    path = PurePosixPath(member.name)
                    if reason is None and path.suffix.lower() not in IMAGE_SUFFIXES:
                        continue
                    source = f'{self.path}/{member.name}', self._name(path, taken)
                    if reason is not None:
                        yield Refused(*source, reason)
                        continue
                    file.seek(member.offset_data)
                    content = file.read(member.size)
                    if len(content) < member.size:
                        raise tarfile.ReadError('it ends within an image')
                    yield Content(*source, content)
        except Exception as error:  # of damaged files tarfile raises anything
            reason = f'cannot be read on ({one_line(error, 200)}): replace the file'
            yield Refused(self.path, self.name, reason)

    def _name(self, path: PurePosixPath, taken: Counter[Path]) -> Path:
        """The name of a member, with its suffix and a number where others had it before."""
        inside = [part for part in path.parts if part not in ('/', '..')] or ['member']
        whole = self.name.joinpath(*inside)
        for name in (whole.with_suffix(''), whole):
            if not taken[name]:
                taken[name] = 1
                return name
        taken[whole] += 1
        return self._name(path.with_name(f'{path.name}-{taken[whole]}'), taken)


class _Bounded:
    """A file of which no more is read at one time than a header or an image may have.

    A header says how long it is, and tarfile believes it.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LARGEST:
            raise tarfile.ReadError(f'a header of {size} bytes')
        return self._file.read(size)


def _refusal(member: tarfile.TarInfo) -> str | None:
    """Why a member is not read, None where it is."""
    if member.issym() or member.islnk():
        return 'is a link, which is not followed: put the image itself into the tar file'
    if not member.isreg() or member.issparse():
        return 'is no ordinary file: leave it out'
    if member.name.startswith(('/', '\\')) or '..' in PurePosixPath(member.name).parts:
        return 'has a name that leads out of the tar file: rename it'
    if member.size > _LARGEST:
        return f'has {member.size >> 20} MB, more than {_LARGEST >> 20}: shrink it'
    return None
