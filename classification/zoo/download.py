"""Released weights, downloaded by name: a file appears whole and checked, or not at all."""

import difflib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import cast

import torch

from ..engine.errors import CheckpointError, UsageError
from ..engine.files import atomic, file_sha256
from ..engine.weights import read_checkpoint
from .metafiles import Model, Release, released

TIMEOUT = 60  # seconds without an answer; Python's own is none


@dataclass(frozen=True)
class Fetched:
    """A file on disk, its digest, and whether that was compared with a published one."""

    path: Path
    sha256: str
    compared: bool

    def __str__(self) -> str:
        known = 'as published' if self.compared else 'none is published to compare'
        return f'{self.path}: sha256 {self.sha256} ({known})'


def fetch(name: str, folder: Path, zoo: list[Model]) -> Fetched:
    """Download the weights that a zoo has under a name into a folder, unless they are there.

    Raises:
        UsageError: no weights have that name.
        CheckpointError: no answer, no checkpoint, or another digest than the published one.
    """
    known = released(zoo)
    if name not in known:
        near = difflib.get_close_matches(name, known, cutoff=0.5) or known
        raise UsageError(
            f'No released weights are called {name}: did you mean {" or ".join(near)}?'
        )
    release = cast(Release, known[name].release)  # all in `released` have one
    path = folder / release.checkpoint.name
    if path.exists():
        read_checkpoint(path, release.sha256)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        _download(release, path)
    return Fetched(path, file_sha256(path), release.sha256 is not None)


def _download(release: Release, path: Path) -> None:
    with atomic(path) as file, _timeout():
        try:
            torch.hub.download_url_to_file(release.url, str(file), progress=True)
        except (OSError, HTTPException) as error:
            raise CheckpointError(
                f'{release.url} cannot be fetched ({error}): check the connection, or download it '
                f'by hand to {path}.'
            ) from None
        try:
            read_checkpoint(file, release.sha256)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(str(file), release.url)) from None


@contextmanager
def _timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
