"""Samples that a run can repeat: all chance in training is a function of the seed and the place.

Nothing of it has to be saved for a resumed run to go on exactly as if it had never stopped.
"""

import random
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, DATASETS
from PIL import Image
from torch.utils.data import BatchSampler

from .errors import DataError


def _seed(*key):
    """Seed Python, numpy and torch's CPU generator with a function of the integers in `key`."""
    words = np.random.SeedSequence(key).generate_state(4)
    number = int.from_bytes(words.tobytes(), 'little') >> 65
    random.seed(number)
    np.random.seed(words)
    torch.default_generator.manual_seed(number)
    return number


class SeedIterations(Hook):
    """Make the chance in an iteration, as of dropout, a function of seed, rank and iteration."""

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        torch.cuda.manual_seed_all(_seed(1, runner.seed, runner.rank, runner.iter))


class _Place(int):
    """An index into a dataset that knows where in the training it was drawn."""

    def __new__(cls, index, where=None):
        place = super().__new__(cls, index)
        place.where = where
        return place


class PlacedBatches:
    """A batch sampler whose indices know their place, (epoch, batch, position).

    Args:
        sampler, batch_size, drop_last: as torch's BatchSampler.
        batch_sampler: config of the one to use instead.
        accumulated: batches of an update of the weights; with drop_last none is begun that the
            epoch cannot end, as with one batch that is larger by so much.
    """

    def __init__(self, sampler, batch_size, drop_last=False, batch_sampler=None, accumulated=1):
        self.sampler = sampler
        self.batch_size = batch_size
        if batch_sampler is None:
            self.batches = BatchSampler(sampler, batch_size, drop_last)
        else:
            args = dict(sampler=sampler, batch_size=batch_size)
            if drop_last:
                args['drop_last'] = True
            self.batches = DATA_SAMPLERS.build(batch_sampler, default_args=args)
        endless = isinstance(sampler, InfiniteSampler)
        self.group = accumulated if drop_last and not endless else 1
        self.skip = 0  # batches to leave out of the next pass

    def __len__(self):
        return len(self.batches) // self.group * self.group

    def __iter__(self):
        skip, self.skip = self.skip, 0
        epoch = getattr(self.sampler, 'epoch', 0)
        batches = enumerate(self.batches)
        for number, batch in islice(batches, len(self)) if self.group > 1 else batches:
            if number >= skip:
                yield [_Place(index, (epoch, number, i)) for i, index in enumerate(batch)]


class Samples:
    """A dataset whose samples are reproducible and whose broken files are named.

    The augmentation of a sample is a function of the seed and of the place where it is drawn:
    equal for any number of workers, after a resume, and different in each epoch. MMEngine seeds
    workers alike in each epoch, and workers that it keeps alive cannot be resumed.
    """

    def __init__(self, dataset, seed):
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.key = (2, seed or 0, get_rank())

    def __len__(self):
        return len(self.dataset)

    def __getattr__(self, name):
        # Not before `dataset` is there, nor for what Python and torch look for, as __getitems__.
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __getitem__(self, place):
        """The sample at a _Place, or at an index with the chance of the moment.

        Raises:
            DataError: a file of the sample cannot be read, or its map holds unknown labels.
        """
        index = int(place)
        before = random.getstate(), np.random.get_state(), torch.get_rng_state()
        if getattr(place, 'where', None):
            _seed(*self.key, *place.where)
        try:
            sample = self.dataset[index]
        except DataError:
            raise
        except Exception:
            self._check_files(index)
            raise
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
            torch.set_rng_state(before[2])
        self._check_labels(sample, index)
        return sample

    def _check_files(self, index):
        """After a failure: is it that a file cannot be read?"""
        info = self.dataset.get_data_info(index)
        if 'archive' in info:  # ReadImage says so itself
            return
        for path in filter(None, (info.get('img_path'), info.get('seg_map_path'))):
            check_image(path)

    def _check_labels(self, sample, index):
        """A label beyond the classes would end in an index error, or be lost in evaluation."""
        truth = getattr(sample.get('data_samples'), 'gt_sem_seg', None)
        labels = getattr(truth, 'data', None)
        if labels is None:
            return
        ignored = getattr(self, 'ignore_index', 255)
        odd = labels[(labels >= self._num_classes) & (labels != ignored)]
        if odd.numel():
            path = self.dataset.get_data_info(index)['seg_map_path']
            raise DataError(
                f'{path} holds label {int(odd.max())} (after reduce_zero_label), the config knows '
                f'0 to {self._num_classes - 1}: make metainfo.classes agree with the maps.'
            )

    @cached_property
    def _num_classes(self):
        return len(self.dataset.metainfo['classes'])


def check_image(path):
    """Raise DataError where a file is missing or cannot be read as an image."""
    try:
        with Image.open(path) as image:
            image.load()
    except FileNotFoundError:
        raise DataError(f'Image {path} does not exist: put it there or unlist it.') from None
    except Exception as error:  # damaged files make PIL raise anything
        raise DataError(
            f'{path} cannot be read as an image ({type(error).__name__}): '
            'replace or remove the file.'
        ) from None
