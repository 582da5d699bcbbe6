"""Checkpoints of any origin, read safely; importing this widens torch's allow-list for them.

Formats: the official MLLA file (`model`, `state_dict_ema`, a pickled yacs config), VMamba's
(`model_ema`), timm's (`state_dict`, `state_dict_ema`), MMEngine's (`state_dict`,
`ema_state_dict`), a plain state dict, `.safetensors`; with the prefixes of DDP, torch.compile
and of a model around the backbone. A file is data: nothing in it is ever run.

`file_check` and `pickle_check` look at a file before it is read; what the allow-list gains is in
`safe_globals`.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..errors import CheckpointError
from ..files.addresses import is_address
from ..files.downloads import cached
from .file_check import check_file, damaged, unsafe
from .pickle_check import UnsafePickle
from .safe_globals import allow_safe_globals, plain

# Where a file keeps its weights: the EMA weights, and those in training.
_EMA_KEYS = ('state_dict_ema', 'model_ema')
_MODEL_KEYS = ('state_dict', 'model')
# What DDP and torch.compile put around names, one inside the other or around the backbone alone.
_WRAPPERS = re.compile(r'^(?:module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.')


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
        CheckpointError: no file, no checkpoint, not the expected one, one that holds more than
            plain data, or one without the weights asked for.
    """
    is_url = is_address(str(source))
    path = cached(str(source)) if is_url else Path(source)
    try:
        checkpoint = read_checkpoint(path, sha256)
    except CheckpointError:
        if is_url:  # the next run downloads it again
            path.unlink(missing_ok=True)
        raise
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    sets = {
        is_ema: Weights(
            _without_wrappers(state_dict, path),
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
    allow_safe_globals()  # again, since timm's loader may have narrowed the list
    check_file(path, sha256)
    try:
        if path.suffix == '.safetensors':
            return load_file(path)
        return plain(torch.load(path, map_location='cpu', weights_only=True))
    except UnsafePickle as error:
        raise CheckpointError(unsafe(path, error)) from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can fail anywhere inside the readers
        raise CheckpointError(damaged(path)) from error


def _find_state_dicts(checkpoint: Any, path: Path) -> dict[bool, tuple[str, dict[str, Tensor]]]:
    """{is it the EMA weights: (name of the entry, state dict)} in a loaded file.

    The name is '' for a file that is a state dict.
    """
    sets: dict[bool, tuple[str, dict[str, Tensor]]] = {}
    if isinstance(checkpoint, dict):
        for is_ema, keys in ((True, _EMA_KEYS), (False, _MODEL_KEYS)):
            key = next((key for key in keys if is_state_dict(checkpoint.get(key))), None)
            if key:
                sets[is_ema] = key, checkpoint[key]
        # MMEngine's EMAHook swaps the two when it saves: `state_dict` holds the EMA weights.
        swapped = checkpoint.get('ema_state_dict')
        if is_state_dict(swapped) and is_state_dict(checkpoint.get('state_dict')):
            training = {name: value for name, value in swapped.items() if name != 'steps'}
            return {
                True: ('state_dict', checkpoint['state_dict']),
                False: ('ema_state_dict', training),
            }
        if not sets and is_state_dict(checkpoint):
            sets[False] = '', checkpoint
    if sets:
        return sets
    held = list(checkpoint)[:5] if isinstance(checkpoint, dict) else type(checkpoint).__name__
    raise CheckpointError(
        f'{path} holds no weights ({held}): expected a state dict, '
        f'or one under {", ".join((*_EMA_KEYS, *_MODEL_KEYS))}.'
    )


def _without_wrappers(state_dict: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The state dict without the prefixes of DDP and torch.compile.

    Raises:
        CheckpointError: two entries have one name without them, or a tensor is not a plain one.
    """
    check_plain(state_dict, path)
    unwrapped: dict[str, Tensor] = {}
    for wrapped, value in state_dict.items():
        name = _WRAPPERS.sub('', wrapped)
        if name in unwrapped:
            raise CheckpointError(
                f'{path} has two entries for {name}, with and without a prefix such as "module.": '
                'save one model alone.'
            )
        unwrapped[name] = value
    return unwrapped


def check_plain(state_dict: Mapping[str, Tensor], path: str | os.PathLike) -> None:
    """Raise CheckpointError for a tensor that is not an array of numbers, by its name."""
    for name, value in state_dict.items():
        kind = _unusual_kind(value)
        if kind:
            raise CheckpointError(
                f'{path} has {name} as a {kind} tensor: save it as an ordinary (dense) one.'
            )


def _unusual_kind(value: Tensor) -> str | None:
    if value.is_nested:
        return 'nested'
    if value.is_quantized:
        return 'quantised'
    if value.is_meta:
        return 'meta (without content)'
    return None if value.layout is torch.strided else 'sparse'


def is_state_dict(entry: Any) -> TypeGuard[dict[str, Tensor]]:
    """Whether it is a dict of tensors by name, and not an empty one."""
    return (
        isinstance(entry, dict)
        and len(entry) > 0
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in entry.items())
    )
