"""Load a checkpoint's weights into a model, strictly."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import master_only
from mmengine.logging import print_log
from torch import Tensor, nn

from ..errors import CheckpointError, printable
from .formats import Weights, read_weights


def load_weights(
    model: nn.Module,
    source: str | os.PathLike | Weights,
    sha256: str | None = None,
    missing: Iterable[str] = (),
    unexpected: Iterable[str] = (),
    ema: bool | None = None,
) -> str:
    """Load a checkpoint into a model; every difference that was not announced is an error.

    Args:
        model: any module.
        source, sha256, ema: as `read_weights`, or what it returned as source.
        missing, unexpected: as `fit_weights`.

    Returns:
        The line that was printed: what was loaded, left out and kept.

    Raises:
        CheckpointError: names or shapes differ, values are not finite, or the file is not usable.
    """
    weights = source if isinstance(source, Weights) else read_weights(source, sha256, ema)
    found, outside = fit_weights(weights, model, missing, unexpected)
    own = model.state_dict()
    loaded = {name: value.to(own[name].dtype) for name, value in found.items() if name in own}
    check_finite(loaded, weights.source)
    model.load_state_dict(loaded, strict=False)

    line = f'Loaded {len(loaded)} tensors{" (EMA)" if weights.is_ema else ""} from {weights.source}'
    left = sorted({_top(name) for name in found if name not in own} | outside)
    kept = sorted({_top(name) for name in own if name not in found})
    if left:
        line += f'; left in the file: {", ".join(left)}'
    if kept:
        line += f'; not in the file, initialised: {", ".join(kept)}'
    line = printable(line)
    _announce(line)
    return line


def fit_weights(
    weights: Weights,
    model: nn.Module,
    missing: Iterable[str] = (),
    unexpected: Iterable[str] = (),
) -> tuple[dict[str, Tensor], set[str]]:
    """The entries of a file under a model's own names.

    A backbone is found under `backbone.` in the file of a whole model, and a bare file under
    `backbone.` of the model; a model's own `rename_released_keys_` then brings names and shapes of
    released files to its own.

    Args:
        weights: what `read_weights` returned.
        model: any module.
        missing: beginnings of parameter names that the file may lack (they stay as initialised).
        unexpected: beginnings of names that the file may have beyond the model.

    Returns:
        (state dict, top-level names of the whole model around the backbone, left out).

    Raises:
        CheckpointError: names, shapes or kinds of numbers differ in another way (half precision
            for single is right, integers are not).
    """
    own = model.state_dict()
    found, outside = _fit_names(weights.state_dict, model, tuple(unexpected))

    absent = [name for name in own if name not in found and not name.startswith(tuple(missing))]
    extra = [name for name in found if name not in own and not name.startswith(tuple(unexpected))]
    pairs = {name: (found[name], own[name]) for name in own if name in found}
    shapes = [
        f'{name} is {tuple(value.shape)}, the model has {tuple(to.shape)}'
        for name, (value, to) in pairs.items()
        if value.shape != to.shape
    ]
    kinds = [
        f'{name} is {_said(value.dtype)}, the model has {_said(to.dtype)}'
        for name, (value, to) in pairs.items()
        if not _fits_kind(value, to.dtype)
    ]
    problems = _count(
        {
            'of another shape': shapes,
            'of another kind': kinds,
            'missing': absent,
            'unexpected': extra,
        }
    )
    if problems:
        raise CheckpointError(
            f'{weights.source} does not fit {type(model).__name__}: {problems}; '
            'give the file of this architecture and size.'
        )
    return found, outside


def check_finite(state_dict: Mapping[str, Tensor], source: str | os.PathLike) -> None:
    """Refuse weights with a NaN or an infinite value: a training that has diverged, most often.

    Raises:
        CheckpointError: names the tensors.
    """
    bad = [name for name, value in state_dict.items() if not value.isfinite().all()]
    if bad:
        raise CheckpointError(
            f'{source} has values that are not finite (NaN or infinite) in '
            f'{_count({f"of its {len(state_dict)} tensors": bad})}: its training has diverged or '
            'the file is damaged; take an earlier checkpoint.'
        )


def _fits_kind(value: Tensor, dtype: torch.dtype) -> bool:
    """Whether a value is of a parameter's kind: single from half precision is, from integers not.

    Files in half precision may have halved the whole numbers as well.
    """
    if value.is_floating_point() and not (dtype.is_floating_point or dtype.is_complex):
        return dtype is not torch.bool and torch.equal(value, value.to(dtype).to(value.dtype))
    return (value.is_floating_point(), value.is_complex(), value.dtype is torch.bool) == (
        dtype.is_floating_point,
        dtype.is_complex,
        dtype is torch.bool,
    )


def _said(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix('torch.')


def _count(names: Mapping[str, Sequence[str]]) -> str:
    """Kinds of problems, each with its number and the first names: '2 missing (a; b)'."""
    return ', '.join(
        f'{len(found)} {what} ({"; ".join(found[:3])}{"; …" if len(found) > 3 else ""})'
        for what, found in names.items()
        if found
    )


@master_only
def _announce(line: str) -> None:
    print_log(line, logger='current')


def _top(name: str) -> str:
    return name.split('.')[0]


def _fit_names(
    state_dict: Mapping[str, Tensor], model: nn.Module, unexpected: tuple[str, ...]
) -> tuple[dict[str, Tensor], set[str]]:
    """File names -> model names by the `backbone.` prefix that fits best, and the model's renaming.

    That is where most of the model's names are found, and then fewest others.

    Returns:
        (renamed state dict, top-level names of the whole model around the backbone, left out).
    """
    prefix = 'backbone.'
    inner = {n[len(prefix) :]: v for n, v in state_dict.items() if n.startswith(prefix)}
    outer = {prefix + n: v for n, v in state_dict.items()}
    ways = [_as_own(model, dict(names)) for names in (state_dict, inner, outer)]
    own = model.state_dict().keys()

    def fit(found: dict[str, Tensor]) -> tuple[int, int]:
        matches = len(own & found.keys())
        others = [n for n in found.keys() - own if not n.startswith(unexpected)]
        return matches, -len(others) if matches else 0

    best = max(ways, key=fit)
    outside = (
        {_top(n) for n in state_dict if not n.startswith(prefix)} if best is ways[1] else set()
    )
    return best, outside


def _as_own(model: nn.Module, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """The entries, renamed in place by each of the model's modules that knows released files."""
    for name, module in model.named_modules():
        if hasattr(module, 'rename_released_keys_'):
            module.rename_released_keys_(state_dict, f'{name}.' if name else '')
    return state_dict


def pretrained_source(init_cfg: Any) -> tuple[str, str | None] | None:
    """(checkpoint, sha256) of an MMEngine `init_cfg` of type 'Pretrained', else None.

    Raises:
        ValueError: a list, or keys other than checkpoint and sha256.
    """
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
