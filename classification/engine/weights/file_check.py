"""A checkpoint's file before anything in it is read: whole, of a known format, plain data."""

import io
import re
import zipfile
import zlib
from pathlib import Path
from zipfile import ZipFile

from ..errors import CheckpointError
from ..files.atomic import file_sha256
from .pickle_check import UnsafePickle, check_pickles

_WEB_PAGE = re.compile(rb'\s*<[!?a-zA-Z]')
_GZIP, _ZIP = b'\x1f\x8b', b'PK\x03\x04'
# What zipfile and pickletools raise on nonsense.
_DAMAGED = (ValueError, IndexError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError)
_BLOCK = 1 << 20
_IS_FOLDER = 0x10


def check_file(path: Path, sha256: str | None = None) -> None:
    """Raise CheckpointError where a file cannot be a checkpoint, or not the expected one.

    torch writes a zip file without compression and does not check its sums when it reads one.
    Files of torch before 1.6 and safetensors have no sums: what was changed in them can only be
    noticed by `sha256`.

    Args:
        path: the file.
        sha256: its expected digest, or the beginning of it.
    """
    if not _is_file(path):
        raise CheckpointError(f'Checkpoint {path} does not exist: check the path.')
    try:
        with path.open('rb') as file:
            head = file.read(512)
    except OSError as error:
        raise CheckpointError(
            f'{path} cannot be read ({error.strerror}): check its permissions.'
        ) from None
    if sha256 and not (digest := file_sha256(path)).startswith(sha256.lower()):
        raise CheckpointError(
            f'{path} has sha256 {digest}, not the expected {sha256}: download it again.'
        )
    if not head:
        raise CheckpointError(f'{path} is empty: download or save it again.')
    if _WEB_PAGE.match(head):
        raise CheckpointError(
            f'{path} is a web page, not a checkpoint: download the file behind its link.'
        )
    if head.startswith(_GZIP):
        raise CheckpointError(f'{path} is compressed by gzip: unpack it with gunzip.')
    if path.suffix == '.safetensors':
        return  # which is numbers and a list of them
    try:
        if head.startswith(_ZIP):
            with ZipFile(path) as archive:
                _check_archive(archive, path)
        else:
            with path.open('rb') as file:
                check_pickles(file, is_older=True)
    except CheckpointError:
        raise
    except UnsafePickle as error:
        raise CheckpointError(unsafe(path, error)) from None
    except (zipfile.BadZipFile, zlib.error, *_DAMAGED) as error:
        raise CheckpointError(damaged(path)) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a path of thousands of characters, or with a zero byte
        return False


def damaged(path: Path) -> str:
    """The sentence about a file that breaks off or makes no sense."""
    return f'{path} is truncated, damaged or not a checkpoint: download or save it again.'


def unsafe(path: Path, what: UnsafePickle) -> str:
    """The sentence about a file that holds more than data."""
    return (
        f'{path} holds {what}, which is not plain data: refused; '
        'save its tensors alone (a state dict, or .safetensors) where it was made.'
    )


def _check_archive(archive: ZipFile, path: Path) -> None:
    """Raise CheckpointError where entries unpack to more than the file, or are not as written."""
    entries = archive.infolist()
    # Of two entries of one name, and of one marked as a folder, torch reads something else.
    names = {entry.filename.lower() for entry in entries}
    if len(names) < len(entries) or any(entry.external_attr & _IS_FOLDER for entry in entries):
        raise CheckpointError(damaged(path))
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > path.stat().st_size:
        raise CheckpointError(
            f'{path} unpacks to {unpacked} bytes, more than it has: refused; '
            'unpack it and save its weights anew with torch.save.'
        )
    # torch.serialization.set_crc32_options(False) writes 0 for every sum.
    has_sums = any(entry.CRC for entry in entries)
    for entry in entries:
        if not has_sums:
            entry.CRC = None  # type: ignore[assignment]  # zipfile then compares none
        with archive.open(entry) as file:
            while file.read(_BLOCK):
                pass  # at the end the sum is compared
        if entry.filename.lower().endswith('.pkl'):
            # Older Pythons read whole what is short.
            check_pickles(io.BytesIO(archive.read(entry)))
