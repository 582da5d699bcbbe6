"""Choices follow from the facts, each with a reason."""

import math

import numpy as np
import pytest
import torch
from mmengine.optim import LinearLR

from classification.finetuning.choices import (
    affordable_epochs,
    batch_per_update,
    choose_images,
    choose_schedule,
)
from classification.finetuning.facts import Facts


def facts(kind='detect', **changes):
    values = dict(
        kind=kind,
        classes=3,
        train=160,
        val=40,
        image_size=(500, 400),
        object_sizes=np.full(100, 60.0),
        images_per_class=(50, 60, 50),
        has_empty=False,
    )
    return Facts(**values | changes)


def scheduled(some, fits=4, **options):
    return choose_schedule(choose_images(some), some, (fits, 'it fits'), **options)


@pytest.mark.parametrize(
    'kind, image, objects, size',
    [
        ('detect', (500, 400), 60, (500, 400)),
        ('detect', (4000, 3000), 400, (1067, 800)),  # within 1333 x 800
        ('segment', (2000, 500), 100, (1333, 333)),
        ('detect', (500, 400), 10, (800, 640)),  # small objects: 16 pixels
        ('detect', (500, 400), 4, (1000, 800)),  # at most twice
        ('detect', (4000, 3000), 20, (1067, 800)),  # no room to enlarge
        ('semantic', (2048, 1024), 0, (1024, 512)),
        ('semantic', (300, 200), 0, (300, 200)),
        ('classify', (4000, 3000), 0, (224, 224)),
        ('classify', (80, 70), 0, (96, 96)),
        ('classify', (8, 8), 0, (32, 32)),
    ],
)
def test_image_size(kind, image, objects, size):
    sizes = np.full(10, float(objects)) if objects else np.empty(0)
    assert choose_images(facts(kind, image_size=image, object_sizes=sizes)).image_size == size


@pytest.mark.parametrize('shorter, crop', [(1024, 512), (512, 512), (200, 224), (20, 32)])
def test_crop_is_a_multiple_of_the_largest_stride(shorter, crop):
    some = facts('semantic', image_size=(2000, shorter), object_sizes=np.empty(0))
    assert choose_images(some).crop == crop


@pytest.mark.parametrize('objects, scale', [(60, 8), (24, 8), (20, 4), (12, 4), (7, 2)])
def test_anchors_are_not_larger_than_the_objects(objects, scale):
    some = facts(image_size=(1333, 800), object_sizes=np.full(10, float(objects)))
    assert choose_images(some).anchor_scale == scale


@pytest.mark.parametrize(
    'shown, expected', [((50, 60), False), ((5, 60), True), ((0, 60), False), ((60,), False)]
)
def test_rare_classes_are_repeated(shown, expected):
    assert choose_images(facts(images_per_class=shown)).oversample is expected


@pytest.mark.parametrize(
    'kind, train, images',
    [('detect', 160, 16), ('detect', 5000, 16), ('detect', 50, 4), ('detect', 3, 2)]
    + [('classify', 100, 8), ('classify', 9999, 64)],
)
def test_images_per_update(kind, train, images):
    assert batch_per_update(facts(kind, train=train)) == images


@pytest.mark.parametrize('fits, processes', [(1, 1), (4, 1), (64, 1), (4, 2), (1, 8), (16, 32)])
def test_images_of_an_update_do_not_depend_on_memory_or_processes(fits, processes):
    chosen = scheduled(facts(), fits, processes=processes)
    assert chosen.batch <= max(fits, 1)
    assert chosen.batch * chosen.accumulate * processes == max(16, processes)


@pytest.mark.parametrize(
    'options, epochs, reason',
    [
        (dict(), 100, 'updates'),
        (dict(epochs=7), 7, '--epochs'),
        (dict(affordable=30), 30, 'budget'),
        (dict(affordable=0), 1, 'budget'),
        (dict(affordable=900), 100, 'updates'),
        (dict(epochs=7, affordable=3), 7, '--epochs'),
    ],
)
def test_epochs(options, epochs, reason):
    chosen = scheduled(facts(), **options)
    assert chosen.epochs == epochs
    assert reason in chosen.reasons['epochs']
    assert 1 <= chosen.val_interval <= epochs
    assert chosen.epochs // chosen.val_interval <= 39


def test_batch_norm_over_one_pixel_gets_two_images():
    chosen = scheduled(facts('semantic', train=20, object_sizes=np.empty(0)), fits=1, processes=4)
    assert chosen.batch == 2


def test_rate_follows_the_square_root_of_the_batch():
    assert scheduled(facts(train=160)).lr_factor == 1.0
    assert scheduled(facts(train=40)).lr_factor == 0.5


def test_the_rate_rises_for_a_twentieth_of_the_epochs():
    assert scheduled(facts(), epochs=100).warm_up == 5
    assert scheduled(facts(train=4), epochs=1).warm_up == 1  # two updates are all there are


@pytest.mark.parametrize('epochs', [1, 3, 100])
@pytest.mark.parametrize('train', [20, 50, 159, 160])
def test_the_rate_comes_to_its_full_height(epochs, train):
    chosen = scheduled(facts(train=train), epochs=epochs)
    updates = math.ceil(train / chosen.batch) / chosen.accumulate  # of an epoch
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = LinearLR.build_iter_from_epoch(
        optimizer, start_factor=0.01, end=chosen.warm_up, epoch_length=updates
    )
    assert optimizer.param_groups[0]['lr'] == 0.01
    for _ in range(schedule.end):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]['lr'] == pytest.approx(1)
    assert schedule.end <= max(3, epochs * updates / 20 + 1)


@pytest.mark.parametrize('seconds, interval', [(1e-3, 50), (0.5, 10), (60.0, 1)])
def test_a_slow_training_shows_that_it_goes_on(seconds, interval):
    assert scheduled(facts(), seconds=seconds).log_interval == interval


def test_few_updates_are_not_averaged():
    assert scheduled(facts(), epochs=10).ema_momentum is None
    assert scheduled(facts(), epochs=100).ema_momentum == 0.01


def test_every_choice_has_a_reason_in_the_table():
    table = scheduled(facts()).table()
    assert all(name and value and reason for name, value, reason in table)
    assert {'image size', 'batch', 'epochs', 'anchor scale'} <= {name for name, _, _ in table}


@pytest.mark.parametrize(
    'budget, epochs', [(1, 1), (130, 10), (261, 20), (10 * 30 + 3 * 20, 30), (10 * 100 + 69, 100)]
)
def test_the_budget_pays_for_epochs_and_at_most_twenty_evaluations(budget, epochs):
    assert affordable_epochs(budget, train=10, val=3) == epochs
