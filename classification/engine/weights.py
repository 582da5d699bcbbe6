"""Checkpoints of any origin, read safely; importing this widens torch's allow-list for them.

Formats: the official MLLA file (`model`, `state_dict_ema`, a pickled yacs config), VMamba's
(`model_ema`), timm's (`state_dict`, `state_dict_ema`), MMEngine's (`state_dict`,
`ema_state_dict`), a plain state dict, `.safetensors`; with the prefixes of DDP, torch.compile
and of a model around the backbone. A file is data: nothing in it is ever run.

What the allow-list gains is in `safe_globals`.
"""

import hashlib
import os
import pickle
import re
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn, TypeGuard
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier
from torch import Tensor

from .distributed import local_rank
from .errors import CheckpointError
from .files import file_sha256
from .safe_globals import allow_safe_globals

# Where a file keeps its weights: the EMA weights, and those in training.
_EMA_KEYS = ('state_dict_ema', 'model_ema')
_MODEL_KEYS = ('state_dict', 'model')
# What DDP and torch.compile put around names, one inside the other or around the backbone alone.
_WRAPPERS = re.compile(r'^(?:module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.')
_WEB_PAGE = re.compile(rb'\s*<[!?a-zA-Z]')


@dataclass
class Weights:
    """A set of weights of a file, and what else the file holds.

    Attributes:
        state_dict: name -> tensor, without the prefixes of DDP and torch.compile.
        source: the file, and where in it the weights were found.
        is_ema: whether these are the EMA weights.
        other: the file's other set (EMA weights and weights in training), None where it has one.
        meta: the file's own `meta`, where MMEngine keeps the names of the classes.
    """

    state_dict: dict[str, Tensor]
    source: str
    is_ema: bool
    other: 'Weights | None' = field(default=None, repr=False)
    meta: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def has_both(self) -> bool:
        """Whether the file holds EMA weights and weights in training."""
        return self.other is not None


def read_weights(
    source: str | os.PathLike, sha256: str | None = None, ema: bool | None = None
) -> Weights:
    """The weights of a checkpoint, the EMA weights where it has both.

    Args:
        source: path or http(s) URL; a URL is downloaded once into torch.hub's folder.
        sha256: the file's expected digest or its beginning, checked before anything is read.
        ema: True or False asks for the EMA weights or for those in training.

    Returns:
        Weights, on the CPU.

    Raises:
        CheckpointError: no file, no checkpoint, not the expected one, one that holds code, or one
            without the weights asked for.
    """
    is_url = urlparse(str(source)).scheme in ('http', 'https')
    path = _download(str(source)) if is_url else Path(source)
    try:
        checkpoint = read_checkpoint(path, sha256)
    except CheckpointError:
        if is_url:  # the next run downloads it again
            path.unlink(missing_ok=True)
        raise
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    sets = {
        is_ema: Weights(
            {_WRAPPERS.sub('', name): value for name, value in state_dict.items()},
            f'{path} [{where}]' if where else str(path),
            is_ema,
            meta=meta if isinstance(meta, dict) else {},
        )
        for is_ema, (where, state_dict) in _find_state_dicts(checkpoint, path).items()
    }
    is_ema = True in sets if ema is None else ema
    if is_ema not in sets:
        held = 'no averaged (EMA) weights, but others' if is_ema else 'averaged (EMA) weights only'
        raise CheckpointError(f'{path} holds {held}: ask for these.')
    weights = sets[is_ema]
    weights.other = sets.get(not is_ema)
    return weights


def read_checkpoint(path: str | os.PathLike, sha256: str | None = None) -> Any:
    """Everything a checkpoint file holds, as plain data.

    Raises:
        CheckpointError: as `read_weights`.
    """
    path = Path(path)
    _check_file(path, sha256)
    allow_safe_globals()  # again, since timm's loader may have narrowed the list
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location='cpu', weights_only=True)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # a damaged file can fail anywhere inside the readers
        _refuse(path, error)


def _check_file(path: Path, sha256: str | None) -> None:
    """Raise CheckpointError where a file cannot be a checkpoint, or not the expected one."""
    if not path.is_file():
        raise CheckpointError(f'Checkpoint {path} does not exist: check the path.')
    if sha256:
        digest = file_sha256(path)
        if not digest.startswith(sha256.lower()):
            raise CheckpointError(
                f'{path} has sha256 {digest}, not the expected {sha256}: download it again.'
            )
    if not path.stat().st_size:
        raise CheckpointError(f'{path} is empty: download or save it again.')
    with path.open('rb') as file:
        head = file.read(512)
    if _WEB_PAGE.match(head):
        raise CheckpointError(
            f'{path} is a web page, not a checkpoint: download the file behind its link.'
        )


def _refuse(path: Path, error: Exception) -> NoReturn:
    """Raise CheckpointError: the file names what may run code, or it is damaged."""
    found = isinstance(error, pickle.UnpicklingError) and re.search(
        r'GLOBAL (\S+)|(?:function|but got) (.+)', str(error)
    )
    if found:
        raise CheckpointError(
            f'{path} holds {found[1] or found[2]}, which may run code: refused; '
            'save its tensors alone (a state dict, or .safetensors) where it was made.'
        ) from error
    raise CheckpointError(
        f'{path} is truncated or not a checkpoint: download or save it again.'
    ) from error


def _download(url: str) -> Path:
    """Download to torch.hub's checkpoint folder, once, by the first process of each machine."""
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    # Two addresses may end in one name: the digest of the whole address keeps them apart.
    name = Path(urlparse(url).path).name or 'download.pth'
    path = folder / f'{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}'
    error = None
    if local_rank() == 0 and not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=True)
        except (OSError, HTTPException) as failure:
            error = failure
    barrier()
    if not path.exists():
        raise CheckpointError(
            f'{url} could not be downloaded ({error}): check the connection, '
            'or fetch it by hand and give its path.'
        )
    return path


def _find_state_dicts(checkpoint: Any, path: Path) -> dict[bool, tuple[str, dict[str, Tensor]]]:
    """{is it the EMA weights: (name of the entry, state dict)} in a loaded file.

    The name is '' for a file that is a state dict.
    """
    sets: dict[bool, tuple[str, dict[str, Tensor]]] = {}
    if isinstance(checkpoint, dict):
        for is_ema, keys in ((True, _EMA_KEYS), (False, _MODEL_KEYS)):
            key = next((key for key in keys if _is_state_dict(checkpoint.get(key))), None)
            if key:
                sets[is_ema] = key, checkpoint[key]
        # MMEngine's EMAHook swaps the two when it saves: `state_dict` holds the EMA weights.
        swapped = checkpoint.get('ema_state_dict')
        if _is_state_dict(swapped) and _is_state_dict(checkpoint.get('state_dict')):
            training = {name: value for name, value in swapped.items() if name != 'steps'}
            return {
                True: ('state_dict', checkpoint['state_dict']),
                False: ('ema_state_dict', training),
            }
        if not sets and _is_state_dict(checkpoint):
            sets[False] = '', checkpoint
    if sets:
        return sets
    held = list(checkpoint)[:5] if isinstance(checkpoint, dict) else type(checkpoint).__name__
    raise CheckpointError(
        f'{path} holds no weights ({held}): expected a state dict, '
        f'or one under {", ".join((*_EMA_KEYS, *_MODEL_KEYS))}.'
    )


def _is_state_dict(entry: Any) -> TypeGuard[dict[str, Tensor]]:
    return (
        isinstance(entry, dict)
        and len(entry) > 0
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in entry.items())
    )
