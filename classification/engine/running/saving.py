"""When checkpoints are written, and that an interrupted run loses no evaluation."""

import math
import os
from numbers import Real
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import EpochBasedTrainLoop

from ..errors import shorten_list

_EVALUATED = 'evaluated_iter'  # in the message hub: iteration of the last evaluation


class RecordingCheckpoints(CheckpointHook):
    """As MMEngine's; each checkpoint is written again when it was evaluated.

    So it knows its metrics and the best score, and a resumed run sees whether the evaluation is
    still to be made up (`MadeUpEvaluation`). A metric that is no number is never the best.
    """

    max_keep_ckpts: int

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # The oldest file is deleted before the next is written: of a single one, a crash in
        # between would leave no checkpoint.
        if self.max_keep_ckpts == 1:
            self.max_keep_ckpts = 2
        self.beaten: dict[str, str] = {}

    def before_train(self, runner: Any) -> None:
        super().before_train(runner)
        if runner._resume:
            self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
            # The work dir may have moved since.
            moved = {
                key: os.path.join(self.out_dir, os.path.basename(path))
                for key, path in self._best().items()
            }
            self._set_best(moved)

    def after_val_epoch(self, runner: Any, metrics: dict[str, Any]) -> None:
        """Record the evaluation, and keep the best."""
        runner.message_hub.update_info(_EVALUATED, runner.iter)
        no_numbers = [n for n, v in metrics.items() if isinstance(v, Real) and not math.isfinite(v)]
        if no_numbers:
            runner.logger.warning(
                f'The evaluation after iteration {runner.iter} gave no finite number '
                f'for {shorten_list(no_numbers)}: never the best by it.'
            )
        # MMEngine deletes the best file before it writes the next, for which there may be no room.
        self.beaten, self.written = self._best(), False
        self._set_best({})
        super().after_val_epoch(runner, {**metrics, **dict.fromkeys(no_numbers)})
        self._delete_beaten()
        done = runner.epoch if self.by_epoch else runner.iter
        name = self.filename_tmpl.format(done)
        if self.last_ckpt and os.path.basename(self.last_ckpt) == name and not self.written:
            meta = dict(epoch=runner.epoch, iter=runner.iter)
            self._save_checkpoint_with_step(runner, done, meta)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        self._delete_beaten()  # no checkpoint knows these files any more
        super()._save_checkpoint_with_step(runner, step, meta)
        self.written = True

    def _delete_beaten(self) -> None:
        best = self._best()
        for key, path in self.beaten.items():
            if best.get(key, path) != path and is_main_process():
                Path(path).unlink(missing_ok=True)
        self._set_best(self.beaten | best)
        self.beaten = {}

    def _best(self) -> dict[str, str]:
        """{metric: path of the best file by it}, of which MMEngine keeps a single one apart."""
        if not self.save_best:
            return {}
        single = len(self.key_indicators) == 1
        paths = {'': self.best_ckpt_path} if single else self.best_ckpt_path_dict
        return {key: path for key, path in paths.items() if path}

    def _set_best(self, paths: dict[str, str]) -> None:
        if not self.save_best:
            return
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths.get('')
        else:
            self.best_ckpt_path_dict = {key: paths.get(key) for key in self.key_indicators}


class MadeUpEvaluation(Hook):
    """When a run is resumed where an evaluation was due and is not recorded, evaluate first."""

    priority = 'LOWEST'  # after the hooks that prepare for evaluations

    def before_train(self, runner: Any) -> None:
        loop = runner.train_loop
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        done, last = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
        if not runner._resume or runner.val_loop is None or not done:
            return
        # Within an epoch the one before was evaluated long ago.
        within = by_epoch and loop.iter != loop.epoch * len(loop.dataloader)
        loop._decide_current_val_interval()
        due = done >= loop.val_begin and (done % loop.val_interval == 0 or done == last)
        if due and not within and runner.message_hub.runtime_info.get(_EVALUATED) != loop.iter:
            runner.logger.info('The evaluation of the resumed checkpoint is made up.')
            runner.val_loop.run()
