"""What MMEngine's Runner does around the iterations of classifiers."""

import copy
import json
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce_params, master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop
from mmengine.runner.checkpoint import weights_to_cpu
from timm.utils import ModelEmaV3

from .engine.errors import DataError, UsageError
from .engine.machine.distributed import unwrapped
from .engine.machine.memory import peak_memory
from .engine.weights.formats import Weights
from .engine.weights.loading import load_weights


@HOOKS.register_module()
class CheckClasses(Hook):
    """Refuse, before anything is loaded, datasets whose classes are not those of the model.

    Otherwise a class without a folder in val shifts the labels of all after it, and a head that is
    too large trains, both silently.
    """

    def before_run(self, runner: Any) -> None:
        """Check the datasets of the loops that this run needs.

        Raises:
            DataError: the number differs from the model's, or the names from the training set's.
        """
        model = unwrapped(runner.model)
        loops = (runner._train_loop, runner._val_loop, runner._test_loop)
        # What this run does not need is still a config.
        datasets = [loop.dataloader.dataset for loop in loops if isinstance(loop, BaseLoop)]
        for dataset in datasets:
            classes = dataset.metainfo['classes']
            if len(classes) != model.num_classes:
                raise DataError(
                    f'{dataset.data_root} has {len(classes)} classes, the model '
                    f'{model.num_classes}: set model.model.num_classes in the config, or '
                    'metainfo.classes of the dataset to name them all.'
                )
            if classes != (expected := datasets[0].metainfo['classes']):
                odd = sorted(set(classes) ^ set(expected)) or ['in another order']
                raise DataError(
                    f'{dataset.data_root} has other classes than {datasets[0].data_root} '
                    f'({", ".join(odd[:3])}): make their folders agree.'
                )


@HOOKS.register_module()
class EMA(Hook):
    """Keep EMA weights: averages over the training, batch statistics too, as timm does.

    They are updated with each update of the weights, and validation scores both in one pass.
    Checkpoints follow MMEngine's convention: `state_dict` holds the EMA weights, `ema_state_dict`
    the weights in training.

    Args:
        decay: what an update keeps of the EMA weights where an update sees `batch_size` images;
            with B images it keeps decay ** (B / batch_size).
        batch_size: 4096 as in ConvNeXt's and the official MILA recipe.
    """

    def __init__(self, decay: float = 0.9996, batch_size: int = 4096):
        self.decay = decay
        self.batch_size = batch_size

    def before_run(self, runner: Any) -> None:
        if hasattr(self, 'average'):  # train() and test() of one Runner both begin here
            return
        model = unwrapped(runner.model)
        self.average = ModelEmaV3(model).requires_grad_(False)
        model.attach_ema(self.average.module.backbone)

    def before_train(self, runner: Any) -> None:
        self.average.decay = self.decay ** (runner.images_per_update / self.batch_size)
        if not runner._resume:  # since before_run the model may have read its weights
            self.average.set(unwrapped(runner.model))

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if runner.optim_wrapper.should_update():  # not while gradients accumulate
            self.average.update(unwrapped(runner.model))

    def after_train_epoch(self, runner: Any) -> None:
        # As SyncBuffersHook for the model: each process has batch norm statistics of its own.
        all_reduce_params(self.average.buffers(), op='mean')

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        in_training = checkpoint['state_dict']
        checkpoint['state_dict'] = weights_to_cpu(self.average.module.state_dict())
        checkpoint['ema_state_dict'] = {f'module.{n}': value for n, value in in_training.items()}

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        average = checkpoint['state_dict']
        if runner._resume and 'ema_state_dict' in checkpoint:
            in_training = checkpoint['ema_state_dict']
            checkpoint['state_dict'] = {
                name.removeprefix('module.'): value
                for name, value in in_training.items()
                if name.startswith('module.')  # MMEngine's own hook counts steps beside them
            }
        self.average.module.load_state_dict(average)


@HOOKS.register_module()
class MESA(Hook):
    """Let the EMA model teach: its scores of the same images are targets beside the labels.

    Args:
        weight: of that part of the loss.
        start: share of the epochs before it begins.
    """

    def __init__(self, weight: float = 1.0, start: float = 0.25):
        self.weight = weight
        self.start = start

    def before_train(self, runner: Any) -> None:
        """Raise UsageError where no EMA weights are kept."""
        if unwrapped(runner.model).ema is None:
            raise UsageError(
                'MESA learns from the EMA weights, which this config does not keep: add '
                "default_hooks.ema=dict(type='EMA'), or leave MESA out with "
                'default_hooks.mesa=None.'
            )

    def before_train_epoch(self, runner: Any) -> None:
        begun = runner.epoch >= int(self.start * runner.max_epochs)
        unwrapped(runner.model).mesa = self.weight if begun else 0.0


@HOOKS.register_module()
class AveragedScoreHook(Hook):
    """Evaluate a file's EMA weights and its weights in training in one pass.

    The Runner loads the EMA weights; this hook then gives the classifier a copy of the backbone
    for them, and the weights in training for itself.

    Args:
        weights: the EMA weights of a file that holds both.
    """

    def __init__(self, weights: Weights):
        self.weights: Weights | None = weights

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        model = unwrapped(runner.model)
        # No part of the model, which the Runner puts in eval mode: so it is put there here.
        model.attach_ema(copy.deepcopy(model.backbone).eval())
        # Loaded once, of a file that holds both sets.
        load_weights(model, self.weights.other)  # type: ignore[union-attr, arg-type]
        self.weights = None  # their memory is free again


@HOOKS.register_module()
class Costs(Hook):
    """Write what a training costs to costs.json in the work dir, after each epoch.

    Of all iterations, without validation: `seconds` by the clock and `cpu_seconds` that this
    process worked, which other work on the machine adds less to; and `bytes` at the peak: of the
    GPU's memory that tensors took, else of the whole process (0 on Windows). Checkpoints hold them
    as `costs`, so that a resumed training goes on with those of what it goes on with.
    """

    def __init__(self) -> None:
        self.costs = dict(seconds=0.0, cpu_seconds=0.0, bytes=0)
        self.started: tuple[float, float] | None = None  # of both clocks, within an epoch

    def before_train_epoch(self, runner: Any) -> None:
        """Start the clocks."""
        self.started = _clocks()

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add what an interrupted epoch took."""
        self._count()
        checkpoint['costs'] = self.costs

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Go on with the costs of an interrupted training."""
        if runner._resume:
            self.costs = dict(checkpoint.get('costs', self.costs))

    @master_only
    def after_train_epoch(self, runner: Any) -> None:
        """Add the epoch, and stop the clocks."""
        self._count()
        self.started = None
        (Path(runner.work_dir) / 'costs.json').write_text(json.dumps(self.costs) + '\n')

    def _count(self) -> None:
        if self.started is None:
            return
        (clock, cpu), now = self.started, _clocks()
        peak = peak_memory(torch.cuda.is_available()) or 0
        self.started = now
        self.costs = dict(
            seconds=self.costs['seconds'] + now[0] - clock,
            cpu_seconds=self.costs['cpu_seconds'] + now[1] - cpu,
            bytes=max(self.costs['bytes'], peak),
        )


def _clocks() -> tuple[float, float]:
    """Seconds by the clock, and that this process worked."""
    return time.perf_counter(), time.process_time()
