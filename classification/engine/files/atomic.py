"""Files that are written whole or not at all, and their digests."""

import errno
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL = '.partial-'


@contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Write a file whole or not at all.

    Yields the path to write to, in the same folder and with the same suffix. When the block ends,
    that file is flushed to disk and renamed to `path`; on an error it is removed and what was at
    `path` stays.
    """
    path = Path(path)
    partial = path.with_name(f'{_PARTIAL}{path.name}')
    try:
        yield partial
        with partial.open('rb+') as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def written_once(path: str | os.PathLike) -> Iterator[Path]:
    """Write a file whole or not at all, unless another process has written it meanwhile.

    As `atomic`, but several processes, also of several machines, may write at one time: the first
    that ends has its file stay, and those of the others are removed.
    """
    path = Path(path)
    own = f'{_PARTIAL}{socket.gethostname()}-{os.getpid()}-{path.name}'
    partial = path.with_name(own)
    try:
        yield partial
        with partial.open('rb+') as file:
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise
            os.replace(partial, path)  # a file system without links: the last one stays
    finally:
        partial.unlink(missing_ok=True)


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Remove what processes that were killed while writing left in a folder."""
    for path in Path(folder).glob(f'{_PARTIAL}*'):
        path.unlink(missing_ok=True)


def file_sha256(path: str | os.PathLike) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
