"""Read a checkpoint of any origin, safely, and load it strictly.

Formats: the official MLLA file (`model`, `state_dict_ema`, a pickled yacs config), VMamba's
(`model_ema`), timm's (`state_dict`, `state_dict_ema`), MMEngine's (`state_dict`,
`ema_state_dict`), a plain state dict, `.safetensors`; with the prefixes of DDP, torch.compile
and of a model around the backbone. A file is data: nothing in it is ever run.
"""

import argparse
import hashlib
import os
import pickle
import re
from collections import OrderedDict
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.dist import barrier, master_only
from mmengine.logging import HistoryBuffer, print_log


def _history_method(owner, name):
    """The one `getattr` of a checkpoint: MMEngine's log history is saved with its methods."""
    if owner is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError('Unsupported global: GLOBAL getattr')


# Everything besides tensors and plain containers that a checkpoint may hold: MMEngine's log
# history (numpy arrays and scalars) and inert configuration objects. A name maps to the class
# that is built for it, so that a yacs config becomes a dictionary whether yacs is there or not.
_NUMPY_CORE = np._core.multiarray if hasattr(np, '_core') else np.core.multiarray
SAFE_GLOBALS = [
    HistoryBuffer,
    (_history_method, 'builtins.getattr'),
    np.ndarray,
    np.dtype,
    *(type(np.dtype(t)) for t in ('bool', 'int32', 'int64', 'uint8', 'float32', 'float64', 'U1')),
    *(
        (getattr(_NUMPY_CORE, function), f'{module}.{function}')
        for function in ('_reconstruct', 'scalar')
        for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
    ),
    argparse.Namespace,
    (OrderedDict, 'yacs.config.CfgNode'),
    (OrderedDict, 'addict.addict.Dict'),
    (OrderedDict, 'mmengine.config.config.ConfigDict'),
]
# Once for the process: MMEngine's Runner and timm's `checkpoint_path` call torch.load themselves.
torch.serialization.add_safe_globals(SAFE_GLOBALS)

# Where a file keeps its weights, the averaged ones first.
_EMA_KEYS = ('state_dict_ema', 'model_ema')
_MODEL_KEYS = ('state_dict', 'model')
# What DDP and torch.compile put around names, one inside the other or around the backbone alone.
_WRAPPERS = re.compile(r'^(?:module\.|_orig_mod\.)+|(?<=\.)_orig_mod\.')
_WEB_PAGE = re.compile(rb'\s*<[!?a-zA-Z]')


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used, in one sentence with the cure."""


@dataclass
class Weights:
    """State dict of a file, where in it the weights were found, and whether it has others too."""

    state_dict: dict
    source: str
    is_ema: bool
    has_both: bool


def read_weights(source, sha256=None, ema=None):
    """The weights of a checkpoint, the averaged (EMA) ones where it has both.

    Args:
        source: path or http(s) URL; a URL is downloaded once into torch.hub's folder.
        sha256: the file's expected digest or its beginning, checked before anything is read.
        ema: True or False asks for the averaged weights or for those in training.

    Returns:
        Weights, on the CPU, without the prefixes of DDP and torch.compile.

    Raises:
        CheckpointError: no file, no checkpoint, not the expected one, one that holds code, or one
            without the weights asked for.
    """
    is_url = urlparse(str(source)).scheme in ('http', 'https')
    path = _fetch(source) if is_url else Path(source)
    try:
        checkpoint = read_checkpoint(path, sha256)
    except CheckpointError:
        if is_url:  # the next run downloads it again
            path.unlink(missing_ok=True)
        raise
    sets = _find_state_dicts(checkpoint, path)
    is_ema = next(iter(sets)) if ema is None else ema
    if is_ema not in sets:
        held = 'no averaged (EMA) weights, but others' if is_ema else 'averaged (EMA) weights only'
        raise CheckpointError(f'{path} holds {held}: ask for these.')
    where, state_dict = sets[is_ema]
    state_dict = {_WRAPPERS.sub('', name): value for name, value in state_dict.items()}
    source = f'{path} [{where}]' if where else str(path)
    return Weights(state_dict, source, is_ema, has_both=len(sets) == 2)


def read_checkpoint(path, sha256=None):
    """Everything a checkpoint file holds, as plain data.

    Raises:
        CheckpointError: as `read_weights`.
    """
    path = Path(path)
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
    # Again: timm's loader takes argparse.Namespace off the list when it is done.
    torch.serialization.add_safe_globals(SAFE_GLOBALS)
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r'GLOBAL (\S+)|(?:function|but got) (.+)', str(error))
        if found:
            raise CheckpointError(
                f'{path} holds {found[1] or found[2]}, which may run code: refused; '
                'save its tensors alone (a state dict, or .safetensors) where it was made.'
            ) from None
    except Exception:  # a damaged file can fail anywhere inside the readers
        pass
    raise CheckpointError(
        f'{path} is truncated or not a checkpoint: download or save it again.'
    ) from None


def file_sha256(path):
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _fetch(url):
    """Download to torch.hub's checkpoint folder, once, by the first process of each machine."""
    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    # Two addresses may end in one name: the digest of the whole address keeps them apart.
    name = Path(urlparse(url).path).name or 'download.pth'
    path = folder / f'{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}'
    error = None
    if os.environ.get('LOCAL_RANK', '0') == '0' and not path.exists():
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


def _find_state_dicts(checkpoint, path):
    """{is averaged: (name of the entry, state dict)} in a loaded file, the averaged one first.

    The name is '' for a file that is a state dict.
    """
    sets = {}
    if isinstance(checkpoint, dict):
        for is_ema, keys in ((True, _EMA_KEYS), (False, _MODEL_KEYS)):
            key = next((key for key in keys if _is_state_dict(checkpoint.get(key))), None)
            if key:
                sets[is_ema] = key, checkpoint[key]
        # MMEngine's EMAHook swaps the two when it saves: `state_dict` holds the average.
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
    keys = list(checkpoint)[:5] if isinstance(checkpoint, dict) else type(checkpoint).__name__
    raise CheckpointError(
        f'{path} holds no weights ({keys}): expected a state dict, '
        f'or one under {", ".join((*_EMA_KEYS, *_MODEL_KEYS))}.'
    )


def _is_state_dict(entry):
    return (
        isinstance(entry, dict)
        and len(entry) > 0
        and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in entry.items())
    )


def load_weights(model, source, sha256=None, missing=(), unexpected=(), ema=None):
    """Load a checkpoint into a model; every difference that was not announced is an error.

    Args:
        model: any module.
        source, sha256, ema: as `read_weights`, or what it returned as source.
        missing, unexpected: as `fit_weights`.

    Returns:
        The line that was printed: what was loaded, left out and kept.

    Raises:
        CheckpointError: names or shapes differ, or the file is not usable.
    """
    weights = source if isinstance(source, Weights) else read_weights(source, sha256, ema)
    found, outside = fit_weights(weights, model, missing, unexpected)
    own = model.state_dict()
    loaded = {name: value for name, value in found.items() if name in own}
    model.load_state_dict(loaded, strict=False)

    line = f'Loaded {len(loaded)} tensors{" (EMA)" if weights.is_ema else ""} from {weights.source}'
    left = sorted({_top(name) for name in found if name not in own} | outside)
    kept = sorted({_top(name) for name in own if name not in found})
    if left:
        line += f'; left in the file: {", ".join(left)}'
    if kept:
        line += f'; not in the file, initialised: {", ".join(kept)}'
    _announce(line)
    return line


def fit_weights(weights, model, missing=(), unexpected=()):
    """The entries of a file under a model's own names.

    A backbone is found under `backbone.` in the file of a whole model, and a bare file under
    `backbone.` of the model; a model's own `rename_released_keys_` then brings names and shapes of
    released files to its own.

    Args:
        weights: Weights.
        model: any module.
        missing: beginnings of parameter names that the file may lack (they stay as initialised).
        unexpected: beginnings of names that the file may have beyond the model.

    Returns:
        (state dict, top-level names of the whole model around the backbone, left out).

    Raises:
        CheckpointError: names or shapes differ in another way.
    """
    own = model.state_dict()
    found, outside = _fit_names(weights.state_dict, own)
    found = dict(found)  # which rename_released_keys_ changes
    for name, module in model.named_modules():
        if hasattr(module, 'rename_released_keys_'):
            module.rename_released_keys_(found, f'{name}.' if name else '')

    absent = [name for name in own if name not in found and not name.startswith(tuple(missing))]
    extra = [name for name in found if name not in own and not name.startswith(tuple(unexpected))]
    shapes = [
        f'{name} is {tuple(found[name].shape)}, the model has {tuple(own[name].shape)}'
        for name in own
        if name in found and found[name].shape != own[name].shape
    ]
    if absent or extra or shapes:
        problems = [
            f'{len(names)} {what} ({"; ".join(names[:3])}{"; …" if len(names) > 3 else ""})'
            for what, names in (
                ('of another shape', shapes),
                ('missing', absent),
                ('unexpected', extra),
            )
            if names
        ]
        raise CheckpointError(
            f'{weights.source} does not fit {type(model).__name__}: {", ".join(problems)}; '
            'give the file of this architecture and size.'
        )
    return found, outside


@master_only
def _announce(line):
    print_log(line, logger='current')


def _top(name):
    return name.split('.')[0]


def _fit_names(state_dict, own):
    """File names -> model names by the `backbone.` prefix that fits best.

    Returns:
        (renamed state dict, top-level names of the whole model around the backbone, left out).
    """
    prefix = 'backbone.'
    inner = {n[len(prefix) :]: v for n, v in state_dict.items() if n.startswith(prefix)}
    outer = {prefix + n: v for n, v in state_dict.items()}
    best = max((state_dict, inner, outer), key=lambda names: len(own.keys() & names.keys()))
    outside = set()
    if best is inner:
        outside = {_top(n) for n in state_dict if not n.startswith(prefix)}
    return best, outside


def pretrained_source(init_cfg):
    """(checkpoint, sha256) of an MMEngine `init_cfg` of type 'Pretrained', else None."""
    if isinstance(init_cfg, (list, tuple)):
        raise ValueError('init_cfg is one dict, such as dict(type="Pretrained", checkpoint=PATH).')
    if init_cfg and init_cfg.get('type') == 'Pretrained':
        unknown = init_cfg.keys() - {'type', 'checkpoint', 'sha256'}
        if unknown or 'checkpoint' not in init_cfg:
            raise ValueError(
                'init_cfg of type Pretrained takes checkpoint and sha256, '
                f'got {sorted(init_cfg.keys() - {"type"})}.'
            )
        return os.fspath(init_cfg['checkpoint']), init_cfg.get('sha256')
    return None
