"""engine/running/samples.py: randomness depends on seed and position alone."""

import random

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS
from torch.utils.data import SequentialSampler

from classification.engine.errors import DataError
from classification.engine.running.runner import Runner
from classification.engine.running.samples import (
    PositionedBatchSampler,
    PositionedIndex,
    ReproducibleDataset,
)


@DATASETS.register_module()
class Chances:
    """A dataset of what the three generators give."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return dict(x=[index, random.random(), np.random.rand(), torch.rand(1).item()])


def draw(workers=0, epochs=2, seed=0, skip=0, **options):
    """The samples of some epochs, an array (epochs, N, 4)."""
    loader = Runner.build_dataloader(
        dict(
            dataset=dict(type='Chances', size=10),
            batch_size=4,
            num_workers=workers,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
            **options,
        ),
        seed=seed,
    )
    passes = []
    for epoch in range(epochs):
        loader.batch_sampler.sampler.set_epoch(epoch)
        loader.batch_sampler.skip = skip
        passes.append(np.array([x for batch in loader for x in zip(*batch['x'], strict=True)]))
    return passes


def test_augmentation_depends_on_seed_and_place_alone():
    first, second = draw()
    assert len(first) == 10 and sorted(first[:, 0]) == list(range(10))
    assert not np.isin(first[:, 1:], second[:, 1:]).any()  # drawn anew in another epoch
    assert len(np.unique(first[:, 1:])) == 30
    for same in (
        draw(workers=1),
        draw(workers=2),
        draw(workers=2, persistent_workers=True),
    ):
        np.testing.assert_array_equal(same[0], first)
        np.testing.assert_array_equal(same[1], second)
    assert not np.isin(draw(seed=1)[0][:, 1:], first[:, 1:]).any()
    np.testing.assert_array_equal(draw(skip=1)[0], first[4:])
    assert len(draw(drop_last=True)[0]) == 8


def test_the_chance_of_the_model_is_left_alone():
    samples = ReproducibleDataset(Chances(2), seed=0)
    torch.manual_seed(5)
    np.random.seed(5)
    samples[PositionedIndex(1, (0, 0, 0))]
    assert torch.rand(1).item() == torch.rand(1, generator=torch.manual_seed(5)).item()
    assert np.random.rand() == np.random.RandomState(5).rand()


def test_a_config_may_have_its_own_batch_sampler(config):
    cfg = config('detection')
    assert cfg.train_dataloader.batch_sampler.type == 'AspectRatioBatchSampler'
    with DATASETS.switch_scope_and_registry('mmdet'):
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    assert type(loader.batch_sampler.batches).__name__ == 'AspectRatioBatchSampler'
    assert len(loader) == 4 and len(loader.dataset) == 8
    assert loader.dataset.metainfo['classes'][0] == 'zero'


def test_fewer_images_than_an_update_are_an_error():
    with pytest.raises(DataError, match='5 training images per process are fewer than the 2 x 3 '):
        PositionedBatchSampler(SequentialSampler(range(5)), 3, drop_last=True, accumulated=2)


@pytest.mark.parametrize(
    'drop_last, accumulated, batches', [(True, 1, 5), (True, 2, 4), (True, 3, 3), (False, 2, 6)]
)
def test_an_epoch_has_whole_updates_where_batches_are_left_out(drop_last, accumulated, batches):
    sampler = SequentialSampler(range(11))
    made = PositionedBatchSampler(sampler, 2, drop_last=drop_last, accumulated=accumulated)
    assert len(made) == len(list(made)) == len(list(made)) == batches
