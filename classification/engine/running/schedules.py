"""Schedules that count updates of the weights, also where gradients accumulate."""

from typing import Any

from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner as MMRunner


class StepSchedulers(ParamSchedulerHook):
    """As MMEngine's; a schedule that counts updates waits while gradients accumulate."""

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        updated = runner.optim_wrapper.should_update()
        for scheduler in runner.param_schedulers or []:
            if not scheduler.by_epoch and (updated or not hasattr(scheduler, 'by_update')):
                scheduler.step()


class ScheduledRunner(MMRunner):
    """MMEngine's Runner whose learning rates follow updates where gradients accumulate."""

    @property
    def images_per_update(self) -> int:
        """Images that one update of the weights sees, in all processes."""
        accumulated = self.optim_wrapper._accumulative_counts
        return self.train_dataloader.batch_sampler.batch_size * self.world_size * accumulated

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None) -> None:
        """As MMEngine's, which ignores that several batches may accumulate to one update."""
        if auto_scale_lr and auto_scale_lr.get('enable'):
            base, images = auto_scale_lr['base_batch_size'], self.images_per_update
            self.logger.info(f'Learning rate for {base} images per update scaled to {images}.')
            for group in optim_wrapper.param_groups:
                group['lr'] *= images / base

    def _build_param_scheduler(self, scheduler: Any, optim_wrapper: OptimWrapper) -> list:
        """As MMEngine's; a schedule converted from epochs counts updates of the weights."""
        updates = len(self.train_dataloader) / optim_wrapper._accumulative_counts
        built = []
        for config in scheduler if isinstance(scheduler, (list, tuple)) else [scheduler]:
            by_update = isinstance(config, dict) and config.get('convert_to_iter_based')
            if by_update:
                config = dict(config, epoch_length=updates)
            built += super()._build_param_scheduler(config, optim_wrapper)
            if by_update:
                built[-1].by_update = True
        return built
