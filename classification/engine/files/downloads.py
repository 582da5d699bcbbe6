"""Checkpoints by their address, downloaded once for each machine."""

import hashlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import torch
from mmengine.dist import barrier
from tqdm import tqdm

from ..errors import CheckpointError
from ..machine.ranks import local_rank
from .addresses import opened
from .atomic import atomic


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
                _save(url, file)
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


def _save(url: str, path: Path) -> None:
    with opened(url) as (size, blocks), path.open('wb') as out:
        with tqdm(total=size, unit='B', unit_scale=True, unit_divisor=1024) as bar:
            for block in blocks:
                out.write(block)
                bar.update(len(block))
