"""What a checkpoint of training must hold before MMEngine goes on from it."""

import os
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.runner import BaseLoop, IterBasedTrainLoop
from torch import Tensor

from ..errors import CheckpointError, shorten_list
from .formats import check_plain, is_state_dict
from .loading import check_finite

# Of AdamW, Adam and SGD, each of its parameter's shape.
_MOMENTS = ('exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'momentum_buffer')
_PARTS = ('meta', 'state_dict', 'optimizer', 'message_hub')


def check_resumable(checkpoint: Any, path: str | os.PathLike, loop: BaseLoop) -> None:
    """Raise CheckpointError where a checkpoint cannot be resumed by this training loop.

    Args:
        checkpoint: what `read_checkpoint` gave.
        path: its file, for the sentence.
        loop: MMEngine's loop of training, with its length.
    """
    held = checkpoint if isinstance(checkpoint, dict) else {}
    lacking = set(_PARTS) - held.keys()
    if lacking:
        raise CheckpointError(
            f'{path} cannot be resumed, it has no {shorten_list(sorted(lacking))}: give a '
            'checkpoint of this training, or start from its weights with load_from.'
        )
    wrong = [name for name, right in _forms(checkpoint).items() if not right]
    if wrong:
        raise CheckpointError(
            f'{path} cannot be resumed, its {shorten_list(wrong)} is not as MMEngine writes it: '
            'give another checkpoint of this training.'
        )
    for name in {'state_dict', 'ema_state_dict'} & checkpoint.keys():
        check_plain(checkpoint[name], path)
        check_finite(checkpoint[name], path)
    unit = 'iter' if isinstance(loop, IterBasedTrainLoop) else 'epoch'
    done, total = checkpoint['meta'][unit], getattr(loop, f'max_{unit}s')
    if done > total:
        raise CheckpointError(
            f'{path} cannot be resumed, it was saved after {unit} {done} and this config trains '
            f'{total}: give a checkpoint of this training, or train longer.'
        )


def check_optimizer(optimizer: torch.optim.Optimizer, path: str | os.PathLike) -> None:
    """Raise CheckpointError where what was loaded into an optimiser would fail in its first step.

    torch puts the file's values in place of its own without a look at them.
    """
    wrong = [
        f'no {name}'
        for group in optimizer.param_groups
        for name, default in optimizer.defaults.items()
        if name not in group or isinstance(default, float) and not _is_number(group[name])
    ]
    wrong += [
        f'{name} of another shape or not finite'
        for parameter, state in optimizer.state.items()
        for name, value in state.items()
        if name in _MOMENTS and isinstance(value, Tensor)
        if value.shape != parameter.shape or not value.isfinite().all()
    ]
    if wrong:
        raise CheckpointError(
            f'{path} cannot be resumed, its optimizer has '
            f'{shorten_list(list(dict.fromkeys(wrong)))}: give another checkpoint of this training.'
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or isinstance(value, Tensor) and value.ndim == 0


def _forms(checkpoint: Mapping[str, Any]) -> dict[str, bool]:
    """Entry -> whether it has the form that MMEngine's `resume` takes for granted."""
    meta, hub, optimizer = (checkpoint[name] for name in ('meta', 'message_hub', 'optimizer'))
    counts = {name: _entry(meta, name) for name in ('epoch', 'iter')}
    schedulers = checkpoint.get('param_schedulers', [])
    return {
        'meta': isinstance(meta, dict),
        **{f'meta.{name}': type(n) is int and n >= 0 for name, n in counts.items()},
        'meta.division': not isinstance(meta, dict) or isinstance(meta.get('division', {}), dict),
        'state_dict': is_state_dict(checkpoint['state_dict']),
        'ema_state_dict': is_state_dict(checkpoint.get('ema_state_dict', checkpoint['state_dict'])),
        'message_hub': all(
            isinstance(_entry(hub, name), dict)
            for name in ('log_scalars', 'runtime_info', 'resumed_keys')
        ),
        'optimizer': isinstance(_entry(optimizer, 'state'), dict)
        and _are_dicts(_entry(optimizer, 'param_groups')),
        'param_schedulers': isinstance(schedulers, dict) or _are_dicts(schedulers),
    }


def _entry(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _are_dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
