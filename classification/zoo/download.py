"""Released weights, downloaded by name: a file appears whole and checked, or not at all."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..engine.errors import UsageError
from ..engine.files.atomic import file_sha256
from ..engine.files.downloads import cache, download
from ..engine.weights.formats import read_checkpoint
from ..engine.weights.loading import pretrained_source
from .metafiles import Model, Release, models, released


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
        UsageError: no weights have that name, or no address is known.
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
    elif release.url is None:
        raise UsageError(
            f'No address of the weights {name} is known: get them from their authors '
            f'({known[name].collection.code}) and copy them to {path}.'
        )
    else:
        download(
            release.url,
            path,
            f'fetch it where there is one by `python tools/fetch.py {name}` and copy it to {path}',
            check=lambda file: read_checkpoint(file, release.sha256),
        )
    return Fetched(path, file_sha256(path), release.sha256 is not None)


def fetch_pretrained(name: str) -> Path:
    """The released weights of a name, such as 'mila_tiny', in torch.hub's folder of checkpoints.

    Raises:
        UsageError, CheckpointError: as `fetch`.
    """
    return fetch(name, cache(), models()).path


def pretrained(init_cfg: Any) -> tuple[str, str | None] | None:
    """As `pretrained_source` of the engine, where `checkpoint` may be the name of a release.

    Those weights are fetched. Of a released file, by its name or where the configs look for it, the
    digest is compared as soon as the metafile has one.

    Raises:
        ValueError, CheckpointError: as `pretrained_source` and `fetch`.
    """
    source = pretrained_source(init_cfg)
    if source is None:
        return None
    checkpoint, sha256 = source
    releases = [cast(Release, model.release) for model in released(models()).values()]
    for release in releases:
        if checkpoint == release.name and not Path(checkpoint).exists():
            return str(fetch_pretrained(release.name)), sha256 or release.sha256
        if checkpoint == str(release.checkpoint):
            return checkpoint, sha256 or release.sha256
    return source
