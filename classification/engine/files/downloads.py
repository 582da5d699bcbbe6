"""What addresses hold: small files as bytes; checkpoints as files, once for each machine."""

import hashlib
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import torch
from mmengine.dist import barrier
from tqdm import tqdm

from ..errors import CheckpointError, DataError
from ..machine.distributed import local_rank
from .atomic import atomic

TIMEOUT = 60  # seconds without an answer; Python's own is none
LARGEST = 1 << 29  # bytes of what is held in memory


def is_address(text: str) -> bool:
    """Whether it is one that can be fetched, not a path."""
    return text.startswith(('http://', 'https://'))


def fetch(url: str) -> bytes:
    """What an address holds, such as an image.

    Raises:
        DataError: it cannot be fetched, or is larger than LARGEST.
    """
    content = bytearray()
    try:
        for block in _blocks(url, progress=False):
            content += block
            if len(content) > LARGEST:
                break
    except Exception as error:  # the library's are many, and a server can send anything
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise DataError(f'{url} cannot be fetched ({reason}): check the address.') from None
    if len(content) > LARGEST:
        raise DataError(f'{url} is larger than {LARGEST >> 20} MB: fetch it by hand.')
    return bytes(content)


def cache() -> Path:
    """torch.hub's folder of checkpoints, which TORCH_HOME moves."""
    return Path(torch.hub.get_dir()) / 'checkpoints'


def cached(url: str) -> Path:
    """The file of an address in the cache, downloaded unless it is there.

    Raises:
        CheckpointError: no such address, no answer, or nowhere to write.
    """
    # Two addresses may end in one name: the digest of the whole address keeps them apart.
    digest = hashlib.sha256(url.encode(errors='replace')).hexdigest()[:8]
    try:
        name = Path(urlsplit(url).path).name[-100:]
    except ValueError as error:
        raise CheckpointError(f'{url} is no address ({error}): check it.') from None
    path = cache() / f'{digest}-{name or "download.pth"}'
    download(url, path, 'fetch it by hand and give its path')
    return path


def download(
    url: str, path: Path, otherwise: str, check: Callable[[Path], object] = lambda file: None
) -> None:
    """Download to a path, unless a file is there.

    Args:
        url: the address.
        path: the file, which appears whole and checked or not at all.
        otherwise: what a user can do without a connection, for the sentence.
        check: raises CheckpointError for a file that is not to be kept.

    Raises:
        CheckpointError: no answer, nowhere to write, or what `check` raises.
    """
    error: Exception | None = None
    if local_rank() == 0 and not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic(path) as file:
                with file.open('wb') as out:
                    out.writelines(_blocks(url, progress=True))
                check(file)
        except CheckpointError as failure:
            error = CheckpointError(str(failure).replace(str(file), url))
        except (OSError, HTTPException, ValueError) as failure:
            error = failure
    barrier()
    if isinstance(error, CheckpointError):
        raise error
    if not path.exists():
        raise CheckpointError(
            f'{url} could not be downloaded ({error}): check the connection, or {otherwise}.'
        )


def _blocks(url: str, progress: bool) -> Iterator[bytes]:
    request = Request(url, headers={'User-Agent': 'mila-toolkit'})
    with urlopen(request, timeout=TIMEOUT) as answer:
        size = answer.headers.get('Content-Length')
        bar = tqdm(
            total=None if size is None else int(size),
            disable=not progress,
            unit='B',
            unit_scale=True,
            unit_divisor=1024,
        )
        with bar:
            while block := answer.read(1 << 17):
                bar.update(len(block))
                yield block
