"""A loss or gradient that is not finite: its update is left out, reported, and training stops.

Without this a single NaN reaches all weights, and training goes on to the end with them.
"""

import math
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.utils._pytree import tree_leaves

from ..errors import Stopped, shorten_list
from ..files.atomic import atomic
from ..machine.distributed import unwrapped

REPORT = 'non_finite.pt'


@HOOKS.register_module()
class StopAtNonFinite(Hook):
    """Leave out each update whose loss or gradient is NaN or infinite; of `limit` in a row, stop.

    Each is logged with its iteration, learning rate, parts of the loss and images. The first in a
    row is written to `non_finite.pt` in the work dir, which `torch.load` reads with
    `weights_only=True`: what was logged, the batch and the weights that met it.

    With fp16, whose loss scale finds its value by overflows, updates that the scale has skipped
    count only where it has fallen to 1 or cannot fall.

    Args:
        limit: how many in a row end the training.
    """

    priority = 'VERY_HIGH'  # before the EMA weights take the iteration's weights and buffers

    def __init__(self, limit: int = 5):
        self.limit = limit
        self.in_a_row = 0

    def before_train(self, runner: Any) -> None:
        self.model = unwrapped(runner.model)
        self.buffers = [b for b in self.model.buffers() if b.is_floating_point()]
        self.finite_buffers = [buffer.clone() for buffer in self.buffers]
        runner.optim_wrapper.optimizer.register_step_pre_hook(self._check_gradients)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        for kept, buffer in zip(self.finite_buffers, self.buffers, strict=True):
            kept.copy_(buffer)
        self.stepped = False
        self.bad_gradients: list[str] = []

    @torch.no_grad()
    def _check_gradients(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Before the optimiser's step: drop gradients that are not finite, which updates nothing.

        DDP has averaged them, so all processes find the same.
        """
        self.stepped = True
        trained = [(n, p) for n, p in self.model.named_parameters() if p.grad is not None]
        largest = get_total_norm([p.grad for _, p in trained], norm_type=math.inf)
        if not largest.isfinite():
            self.bad_gradients = [n for n, p in trained if not p.grad.isfinite().all()]
            optimizer.zero_grad(set_to_none=True)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count and report.

        Raises:
            Stopped: `limit` in a row.
        """
        loss = torch.as_tensor(outputs['loss'])  # the sum; an accuracy beside it may be NaN
        bad_loss = not loss.detach().isfinite()
        if bad_loss:  # batch statistics have taken the same values
            for kept, buffer in zip(self.finite_buffers, self.buffers, strict=True):
                buffer.copy_(kept)
        # The first process whose loss it is; all count alike.
        culprit = torch.tensor(runner.rank if bad_loss else runner.world_size)
        all_reduce(culprit, 'min')
        updated = runner.optim_wrapper.should_update()
        skipped = updated and not self.stepped
        if not (culprit < runner.world_size or self.bad_gradients or skipped):
            self.in_a_row = 0 if updated else self.in_a_row
            return
        if _scale_can_fall(runner.optim_wrapper):
            return
        self.in_a_row += 1
        if runner.rank == int(culprit) % runner.world_size:
            self._report(runner, outputs, data_batch)
        if self.in_a_row >= self.limit:
            self._stop(runner, runner.iter + 1)

    def after_train(self, runner: Any) -> None:
        """Raise Stopped where the last updates were left out: the training did not succeed."""
        if self.in_a_row:
            self._stop(runner, runner.iter)

    def _report(self, runner: Any, outputs: dict[str, Any], data_batch: Any) -> None:
        losses = {name: torch.as_tensor(value).item() for name, value in outputs.items()}
        dataset, batches = runner.train_dataloader.dataset, runner.train_dataloader.batch_sampler
        images = [dataset.name_of(index) for index in batches.drawn(runner.iter)]
        rate = max(runner.optim_wrapper.get_lr()['lr'])
        parts = ', '.join(f'{name} {value:.4g}' for name, value in losses.items())
        wrong = (
            f', gradients of {shorten_list(self.bad_gradients, 3)}' if self.bad_gradients else ''
        )
        # Not a warning: of these only the first process prints.
        runner.logger.error(
            f'Iteration {runner.iter + 1} is not finite (learning rate {rate:.4g}, {parts}{wrong}) '
            f'with the images {shorten_list(images, 16)}: its update is left out, '
            f'{self.in_a_row} in a row; {self.limit} end the training.'
        )
        if self.in_a_row > 1:
            return
        batch = data_batch if isinstance(data_batch, dict) else dict(inputs=data_batch)
        with atomic(Path(runner.work_dir, REPORT)) as unfinished:
            torch.save(
                dict(
                    iter=runner.iter + 1,
                    epoch=runner.epoch + 1,
                    rank=runner.rank,
                    seed=runner.seed,
                    lr=rate,
                    losses=losses,
                    gradients=self.bad_gradients,
                    images=images,
                    # Data samples are classes, which no safe loader takes; `images` names them.
                    batch={
                        name: value
                        for name, value in batch.items()
                        if all(isinstance(leaf, Tensor) for leaf in tree_leaves(value))
                    },
                    state_dict=self.model.state_dict(),
                ),
                unfinished,
            )

    def _stop(self, runner: Any, iteration: int) -> None:
        raise Stopped(
            f'The last {self.in_a_row} updates up to iteration {iteration} had a loss or gradient '
            f'that is not finite: look at {Path(runner.work_dir, REPORT)} and the log, then lower '
            'the learning rate or mend the images named there, and go on with --resume '
            '(default_hooks.non_finite.limit is how many in a row are let pass).'
        )


def _scale_can_fall(optim_wrapper: Any) -> bool:
    """True where mixed precision in fp16 can still lower its loss scale."""
    scaler = getattr(optim_wrapper, 'loss_scaler', None)
    fixed = getattr(optim_wrapper, '_scale_update_param', None) is not None
    return scaler is not None and not fixed and scaler.get_scale() > 1


class FiniteCheckpoints(Hook):
    """Refuse to write a checkpoint whose weights or optimiser are not finite."""

    priority = 'LOWEST'  # after the hooks that put EMA weights there

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Raise Stopped; the checkpoints before stay."""
        states = ('state_dict', 'ema_state_dict')
        named = {
            name: value for state in states for name, value in checkpoint.get(state, {}).items()
        }
        bad = [name for name, value in named.items() if not _is_finite(value)]
        if bad or not all(map(_is_finite, tree_leaves(checkpoint.get('optimizer')))):
            where = shorten_list(bad, 3) or 'the state of the optimiser'
            raise Stopped(
                f'Training ended after iteration {runner.iter}, no checkpoint is written: '
                f'{where} is not finite; lower the learning rate, and go on with --resume from '
                'the checkpoint before.'
            )


def _is_finite(value: Any) -> bool:
    floating = isinstance(value, Tensor) and value.is_floating_point()
    return not floating or bool(value.isfinite().all())
