"""MMEngine's Runner, changed where it fails or is not safe.

That is: several processes without a GPU, random numbers that do not depend on the workers
(`samples`), schedules while gradients accumulate (`schedules`), checkpoints and resuming
(`checkpoints`, `saving`), SIGTERM (`stopping`), losses that are not finite (`non_finite`).
"""

import copy
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import BaseLoop
from mmengine.runner import Runner as MMRunner
from torch import nn
from torch.utils.data import DataLoader

from ..errors import UsageError
from ..machine.distributed import end_with_launcher
from ..machine.ranks import local_rank
from .checkpoints import CheckpointedRunner
from .non_finite import FiniteCheckpoints
from .samples import PositionedBatchSampler, ReproducibleDataset, SeedIterations
from .saving import MadeUpEvaluation, RecordingCheckpoints
from .schedules import StepSchedulers
from .stopping import StopOnSignal, outlive_stop

# Three lines on the settings of each parameter, and MMEngine's warnings of its own calls.
_NEVER_READ = (
    'paramwise_options',
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
)
# Hundreds of lines: the versions of all libraries, the whole config, the order of the hooks.
_LONG = ('\n' + '-' * 60 + '\nSystem environment:', 'Config:\n', 'Hooks will be executed')


class Runner(CheckpointedRunner):
    """MMEngine's Runner that runs on a CPU too, reads checkpoints safely and resumes exactly."""

    _train_dataloader: DataLoader | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any):
        with self._no_log_of_a_failed_start():
            super().__init__(*args, **kwargs)

    @contextmanager
    def _no_log_of_a_failed_start(self) -> Iterator[None]:
        """Remove this run's own folder of logs where an error ends it before it has begun."""
        try:
            yield
        except BaseException:
            if not self._has_begun and is_main_process() and hasattr(self, '_log_dir'):
                shutil.rmtree(self._log_dir, ignore_errors=True)
            raise

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """As MMEngine's, whose launcher needs a GPU: without one the processes talk by gloo."""
        if self._launcher == 'pytorch':
            end_with_launcher()
        if self._launcher == 'pytorch' and not is_distributed():
            if not torch.cuda.is_available():
                torch.distributed.init_process_group('gloo')
            elif local_rank() >= torch.cuda.device_count():
                raise UsageError(
                    f'Process {local_rank() + 1} of this machine has no GPU, there are '
                    f'{torch.cuda.device_count()}: start as many processes as GPUs.'
                )
        super().setup_env(env_cfg)

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """As MMEngine's, without what nobody reads; what fills screens is in the log file alone."""
        logger = super().build_logger(*args, **kwargs)
        logger.addFilter(lambda record: not str(record.msg).startswith(_NEVER_READ))
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(lambda record: not str(record.msg).startswith(_LONG))
        return logger

    def build_model(self, model: nn.Module | dict[str, Any]) -> nn.Module:
        """As MMEngine's; an argument that the model refuses is an error of the config."""
        try:
            return super().build_model(model)
        except ValueError as error:
            raise UsageError(f'The model of the config cannot be built: {error}') from error

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """As MMEngine's, which gives each process a GPU and keeps SyncBN, which needs one."""
        if self.distributed and not torch.cuda.is_available():
            model = revert_sync_batchnorm(model)
            model_wrapper_cfg = {
                'broadcast_buffers': False,
                'find_unused_parameters': self.cfg.get('find_unused_parameters', False),
                **(model_wrapper_cfg or {}),
                'device_ids': None,
            }
        return super().wrap_model(model_wrapper_cfg, model)

    @staticmethod
    def build_dataloader(
        dataloader: dict[str, Any], seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """As MMEngine's, of a ReproducibleDataset with a PositionedBatchSampler."""
        config = copy.deepcopy(dataloader)
        if not torch.cuda.is_available():  # pinned memory is for copies to a GPU
            config['pin_memory'] = False
        config['dataset'] = dict(type=ReproducibleDataset, dataset=config['dataset'], seed=seed)
        config['batch_sampler'] = dict(
            type=PositionedBatchSampler,
            batch_sampler=config.get('batch_sampler'),
            drop_last=config.pop('drop_last', False),
            accumulated=config.pop('accumulated', 1),
        )
        loader = MMRunner.build_dataloader(config, seed, diff_rank_seed)
        loader.worker_init_fn = partial(outlive_stop, loader.worker_init_fn)
        return loader

    def build_train_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        """As MMEngine's; with `drop_last` an epoch holds whole updates of the weights."""
        if isinstance(self._train_dataloader, dict) and isinstance(self.optim_wrapper, dict):
            accumulated = self.optim_wrapper.get('accumulative_counts', 1)
            self._train_dataloader = dict(self._train_dataloader, accumulated=accumulated)
        return super().build_train_loop(loop)

    def train(self) -> nn.Module:
        """As MMEngine's; told to stop by SIGTERM it can be resumed from there."""
        with self._no_log_of_a_failed_start(), self._stop:
            return super().train()

    def test(self) -> dict[str, float]:
        """As MMEngine's."""
        with self._no_log_of_a_failed_start():
            return super().test()

    def register_hooks(
        self,
        default_hooks: dict[str, Any] | None = None,
        custom_hooks: list[Any] | None = None,
    ) -> None:
        """As MMEngine's, with the hook that seeds each iteration; any default may be None."""
        default_hooks = {name: hook or Hook() for name, hook in (default_hooks or {}).items()}
        schedule = default_hooks.setdefault('param_scheduler', dict(type='ParamSchedulerHook'))
        # A config with a base of mmdet or mmseg names their scope besides the type.
        if isinstance(schedule, dict) and schedule['type'] == 'ParamSchedulerHook':
            default_hooks['param_scheduler'] = StepSchedulers()
        checkpoint = default_hooks.setdefault('checkpoint', dict(type='CheckpointHook', interval=1))
        if isinstance(checkpoint, dict) and checkpoint['type'] == 'CheckpointHook':
            default_hooks['checkpoint'] = {**checkpoint, 'type': RecordingCheckpoints}
        # Without its entry in the config it is there too; None is for those who know better.
        guard = default_hooks.setdefault('non_finite', {})
        if isinstance(guard, dict):
            default_hooks['non_finite'] = {'type': 'StopAtNonFinite', **guard}
        super().register_hooks(default_hooks, custom_hooks)
        self.register_hook(SeedIterations())
        self.register_hook(FiniteCheckpoints())
        self.register_hook(MadeUpEvaluation())
        self._stop = StopOnSignal()
        self.register_hook(self._stop)
