"""Samples that a run can repeat: randomness is a function of the seed and the position.

No random state has to be saved for a resumed run to go on exactly as if it had never stopped.
"""

import random
from collections.abc import Iterator, Mapping, Sized
from functools import cached_property
from itertools import islice
from typing import Any, cast

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import BatchSampler, Dataset, Sampler

from ..errors import DataError
from ..images import check_image
from ..task import current_task

# First word of a seed, so that no two uses of one run's seed draw alike.
_ITERATION, _SAMPLE = 1, 2
_RECENT = 1000  # batches: more than the workers ever draw ahead


def _seed(*key: int) -> int:
    """Seed Python, numpy and torch's CPU generator with a function of the integers in `key`."""
    words = np.random.SeedSequence(key).generate_state(4)
    number = int.from_bytes(words.tobytes(), 'little') >> 65
    random.seed(number)
    np.random.seed(words)
    torch.default_generator.manual_seed(number)
    return number


class SeedIterations(Hook):
    """Seed each iteration (dropout, for one) by a function of seed, rank and iteration."""

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        seed_iteration(runner.seed, runner.rank, runner.iter)


def seed_iteration(seed: int, rank: int, iteration: int) -> None:
    """Seed what an iteration draws besides its samples, by a function of the three."""
    torch.cuda.manual_seed_all(_seed(_ITERATION, seed, rank, iteration))


class PositionedIndex(int):
    """An index into a dataset that carries its position in the training.

    torch's loaders hand indices on unchanged, so this is how a worker learns the position.

    Attributes:
        position: (epoch, batch, number in the batch), or None.
    """

    position: tuple[int, int, int] | None

    def __new__(cls, index: int, position: tuple[int, int, int] | None = None) -> 'PositionedIndex':
        self = super().__new__(cls, index)
        self.position = position
        return self


class PositionedBatchSampler:
    """A batch sampler of PositionedIndex.

    Args:
        sampler, batch_size, drop_last: as torch's BatchSampler.
        batch_sampler: config of the one to use instead.
        accumulated: batches per update of the weights. With drop_last an epoch holds whole updates
            only, as with one batch that is larger by that factor.

    Raises:
        DataError: with drop_last an epoch would hold nothing.
    """

    def __init__(
        self,
        sampler: Sampler,
        batch_size: int,
        drop_last: bool = False,
        batch_sampler: Mapping[str, Any] | None = None,
        accumulated: int = 1,
    ):
        self.sampler = sampler
        self.batch_size = batch_size
        if batch_sampler is None:
            self.batches = BatchSampler(sampler, batch_size, drop_last)
        else:
            args = dict(sampler=sampler, batch_size=batch_size)
            if drop_last:
                args['drop_last'] = True
            self.batches = DATA_SAMPLERS.build(batch_sampler, default_args=args)
        self.endless = isinstance(sampler, InfiniteSampler)
        self.group = accumulated if drop_last and not self.endless else 1
        self.skip = 0  # batches to leave out of the next pass
        self.recent: dict[int, list[PositionedIndex]] = {}  # by their number in the pass
        if drop_last and not self.endless and not len(self):
            raise DataError(
                f'{len(cast(Sized, sampler))} training images per process are fewer than the '
                f'{self.group} x {batch_size} of an update, so none would be trained on: lower '
                'train_dataloader.batch_size, or add images.'
            )

    def __len__(self) -> int:
        return len(self.batches) // self.group * self.group

    def __iter__(self) -> Iterator[list[PositionedIndex]]:
        skip, self.skip = self.skip, 0
        epoch = getattr(self.sampler, 'epoch', 0)
        batches = enumerate(self.batches)
        for number, batch in islice(batches, len(self)) if self.group > 1 else batches:
            if number >= skip:
                drawn = [
                    PositionedIndex(index, (epoch, number, i)) for i, index in enumerate(batch)
                ]
                self.recent[number] = drawn
                self.recent.pop(number - _RECENT, None)
                yield drawn

    def drawn(self, iteration: int) -> list[PositionedIndex]:
        """The batch of a training's current iteration, which workers drew a while ago."""
        return self.recent.get(iteration if self.endless else iteration % len(self), [])


class ReproducibleDataset:
    """A dataset whose samples are reproducible and whose broken files are named.

    The augmentation of a sample is a function of the seed and of the position at which it is
    drawn: the same for any number of workers and after a resume, and another in each epoch.
    MMEngine seeds workers alike in each epoch, and workers that it keeps alive cannot be resumed.

    Args:
        dataset: a dataset or its config; all attributes of this one are read through.
        seed: of the run; None counts as 0.
    """

    def __init__(self, dataset: Dataset | Mapping[str, Any], seed: int | None):
        self.dataset: Any = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.key = (_SAMPLE, seed or 0, get_rank())
        self.task = current_task()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        # Not before `dataset` is there, nor for what Python and torch look for, as __getitems__.
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    @cached_property
    def num_classes(self) -> int:
        """How many classes the dataset names."""
        return len(self.dataset.metainfo['classes'])

    def __getitem__(self, index: int) -> Any:
        """The sample at a PositionedIndex, or at a plain index with the current random state.

        Raises:
            DataError: a file of the sample cannot be read, or its task refuses the sample.
        """
        plain = int(index)
        before = random.getstate(), np.random.get_state(), torch.get_rng_state()
        if position := getattr(index, 'position', None):
            _seed(*self.key, *position)
        try:
            sample = self.dataset[plain]
        except DataError:
            raise
        except Exception:
            self._check_files(plain)
            raise
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
            torch.set_rng_state(before[2])
        self.task.check_sample(self, sample, plain)
        return sample

    def name_of(self, index: int) -> str:
        """What a message calls a sample: its image's path, or its number."""
        try:
            return str(self.dataset.get_data_info(int(index))['img_path'])
        except (AttributeError, KeyError):  # of a dataset that makes or mixes its images
            return f'sample {int(index)}'

    def _check_files(self, index: int) -> None:
        """After a failure, raise DataError if the reason is that a file cannot be read."""
        info = self.dataset.get_data_info(index)
        if 'archive' in info:  # whose reader says so itself
            return
        for path in filter(None, map(info.get, self.task.image_keys)):
            check_image(path)
