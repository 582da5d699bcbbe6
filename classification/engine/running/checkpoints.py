"""Checkpoints of a training: written whole, read safely, resumed exactly."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

from mmengine.dataset import InfiniteSampler
from mmengine.dist import all_gather_object, is_main_process
from mmengine.runner import BaseLoop, IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch import Tensor

from ..errors import CheckpointError, one_line
from ..files.atomic import atomic
from ..machine.distributed import unwrapped
from ..weights.formats import Weights, read_checkpoint
from ..weights.loading import fit_weights, load_weights
from ..weights.resumable import check_optimizer, check_resumable
from .schedules import ScheduledRunner

# What optimiser, schedules and MMEngine raise on a state that is not theirs.
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, AssertionError)


class SkippedBatches:
    """An endless iterator of batches whose first `count` are None.

    On resume MMEngine calls next() once per finished iteration and drops what it gets: None for
    those, so that nothing is loaded.
    """

    def __init__(self, batches: Iterator, count: int):
        self.batches = batches
        self.count = count

    def __next__(self) -> Any:
        if self.count:
            self.count -= 1
            return None
        return next(self.batches)


def _describe(division: dict[str, int]) -> str:
    return ', '.join(f'{name}: {count}' for name, count in division.items())


class CheckpointedRunner(ScheduledRunner):
    """MMEngine's Runner that reads checkpoints safely, writes them whole and resumes exactly."""

    _load_from: str | Weights | None
    _has_begun = False  # loaded or resumed: what follows is training or evaluation

    def start_from(self, weights: Weights) -> None:
        """Load these weights, which were read already, instead of the config's `load_from`."""
        self._load_from = weights

    def load_checkpoint(
        self,
        filename: str | Path | Weights,
        map_location: Any = 'cpu',
        strict: bool = True,
        revise_keys: Any = (),
    ) -> dict[str, Any]:
        """Load weights of any format strictly, or to resume a whole checkpoint of training.

        Raises:
            CheckpointError: the file is not usable or does not fit the model.
        """
        if self._resume:
            checkpoint = self._load_training(cast(str | Path, filename))  # MMEngine's own call
            self._resumed_meta = checkpoint['meta']
            return checkpoint
        model = unwrapped(self.model)
        load_weights(model, filename)
        checkpoint = dict(state_dict=model.state_dict())
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        return checkpoint

    def _load_training(self, filename: str | Path) -> dict[str, Any]:
        """Model, EMA weights and buffers from a checkpoint of training, all of which is returned.

        Raises:
            CheckpointError: as `load_checkpoint`.
        """
        checkpoint = read_checkpoint(filename)
        check_resumable(checkpoint, filename, self.train_loop)
        # MMEngine would run this text as Python.
        checkpoint['meta'].pop('config', None)
        averaging = any(type(hook).__name__ in ('EMA', 'EMAHook') for hook in self.hooks)
        if 'ema_state_dict' in checkpoint and not averaging:
            raise CheckpointError(
                f'{filename} cannot be resumed without averaging the weights, as it was trained: '
                "add the config's EMA hook, or start from its average with load_from."
            )
        try:
            # The hooks first: EMA's puts the EMA weights and those in training where they belong.
            self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
            weights = Weights(checkpoint['state_dict'], str(filename), is_ema=False)
            fit_weights(weights, unwrapped(self.model))
            unwrapped(self.model).load_state_dict(checkpoint['state_dict'])
            statistics = checkpoint['meta'].pop('statistics', [])
            if len(statistics) == self.world_size:  # else all processes keep those of the first
                for own, saved in zip(self._statistics(), statistics[self.rank], strict=True):
                    for name, value in saved.items():
                        own[name].copy_(value)
        except CheckpointError:
            raise
        except RuntimeError as error:
            raise CheckpointError(
                f'{filename} does not fit this config, from which it was not trained: '
                f'{one_line(error, 300)}'
            ) from None
        self.logger.info(f'Resuming from {filename}')
        return checkpoint

    def resume(self, filename: str | Path, *args: Any, **kwargs: Any) -> None:
        """As MMEngine's, and what was trained on is skipped without being read."""
        self._resume = True
        try:
            super().resume(filename, *args, **kwargs)
            check_optimizer(self.optim_wrapper.optimizer, filename)
        except CheckpointError:
            raise
        except _MALFORMED as error:
            raise CheckpointError(
                f'{filename} cannot be resumed, its training state does not fit this config '
                f'({type(error).__name__}: {error}): give a checkpoint of this training.'
            ) from error
        loop = self.train_loop
        batches = loop.dataloader.batch_sampler
        saved, now = self._resumed_meta.get('division', {}), self._division()
        if saved != now and now.keys() == saved.keys():
            self.logger.warning(
                f'{filename} was trained with {_describe(saved)}; this run has {_describe(now)}. '
                'From here on it is another training: the learning rate stays as it is, schedules '
                'in iterations go on counting, and an epoch that had begun begins again.'
            )
            if not isinstance(loop, IterBasedTrainLoop):
                loop._iter = loop.epoch * len(batches)
        if not isinstance(loop, IterBasedTrainLoop):
            batches.skip = loop.iter - loop.epoch * len(batches)  # saved within an epoch
        elif isinstance(batches.sampler, InfiniteSampler):
            # The workers started by the loop have drawn ahead: begin anew.
            batches.sampler.indices = batches.sampler._indices_of_rank()
            batches.skip = loop.iter
            iterator = _InfiniteDataloaderIterator(loop.dataloader)
            loop.dataloader_iterator = SkippedBatches(iterator, loop.iter)

    def _division(self) -> dict[str, int]:
        """How the training's images are divided."""
        return {
            'processes': self.world_size,
            'images per update': self.images_per_update,
            'iterations per epoch': len(self.train_dataloader.batch_sampler),
        }

    def _statistics(self) -> list[dict[str, Tensor]]:
        """Buffers of the model and of its EMA copies, which each process has of its own."""
        averages = [hook.average for hook in self.hooks if hasattr(hook, 'average')]
        statistics = []
        for module in (self.model, *averages):
            trained = dict(module.named_parameters())
            state = module.state_dict().items()
            statistics.append({name: value for name, value in state if name not in trained})
        return statistics

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """As MMEngine's, but whole or not at all: an interruption leaves the previous file."""
        meta = kwargs['meta'] = {**(kwargs.get('meta') or {}), 'division': self._division()}
        if self.distributed:
            own = [{n: value.cpu() for n, value in part.items()} for part in self._statistics()]
            meta['statistics'] = all_gather_object(own)
        path = Path(out_dir, filename)
        # MMEngine writes in the first process alone.
        with atomic(path) if is_main_process() else nullcontext(path) as unfinished:
            super().save_checkpoint(out_dir, unfinished.name, *args, **kwargs)

    def dump_config(self) -> None:
        """Do nothing: MMEngine asks while it builds, and no failed start or test may write."""

    def load_or_resume(self) -> None:
        """As MMEngine's; nothing is in the way of training any more, and its config is saved."""
        super().load_or_resume()
        if isinstance(self._load_from, Weights):
            self._load_from = None  # their memory is free again
        # A complete config that lies in the work dir already keeps its comments.
        own = self.cfg.filename and Path(self.cfg.filename).parent.samefile(self.work_dir)
        if isinstance(self._train_loop, BaseLoop) and not own:
            super().dump_config()
        self._has_begun = True
