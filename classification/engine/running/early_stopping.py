"""End a training whose evaluations have stopped to improve."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ..errors import UsageError


@HOOKS.register_module()
class EndWithoutProgress(Hook):
    """End the training once the best evaluation lies `evaluations` evaluations back.

    It looks at the history that checkpoints hold, so that a resumed run ends where an unbroken
    one does; MMEngine's EarlyStoppingHook starts to count anew.

    Args:
        metric: such as 'coco/bbox_mAP'; higher is better.
        evaluations: how many may pass without a better one.
    """

    # After RuntimeInfoHook, which writes the history.
    priority = 'VERY_LOW'

    def __init__(self, metric: str, evaluations: int):
        self.metric = metric
        self.evaluations = evaluations

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Look at the history.

        Raises:
            UsageError: the evaluation gives no such metric.
        """
        if not metrics:  # mmdet gives none where nothing at all is detected, as at the beginning
            return
        if self.metric not in metrics:
            raise UsageError(
                f'The evaluation gives no {self.metric} but {", ".join(sorted(metrics))}: '
                'name one of these in EndWithoutProgress.'
            )
        history, _ = runner.message_hub.get_scalar(f'val/{self.metric}').data
        since = len(history) - 1 - int(history.argmax())
        if since >= self.evaluations:
            runner.logger.info(
                f'{self.metric} has not improved for {since} evaluations: training ends.'
            )
            runner.train_loop.stop_training = True
