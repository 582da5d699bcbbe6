"""export/check.py, export/check_network.py: what comparisons see, and on what."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from classification.export.check import check_equality, make_batches
from classification.export.check_network import check_network
from classification.export.equality import Unequal
from classification.export.exportable import Exportable, Port
from classification.export.pixels import Pixels
from classification.exported.preprocessing import ResizeAndCrop
from classification.results import Scores

PICTURES = [
    np.random.default_rng(seed).integers(0, 256, (30 + seed, 40, 3), np.uint8) for seed in range(2)
]


@pytest.mark.parametrize('batch', [None, 1, 2, 5])
def test_batches_of_any_size(batch):
    batches = make_batches(PICTURES, batch, None)
    sizes = [images[0].shape[:2] for images in batches]
    assert sizes == [(30, 40), (19, 33), (31, 40), (19, 33)]
    counts = [len(images) for images in batches]
    assert counts == [batch] * 4 if batch else {1, 3} == set(counts)
    for images, source in zip(batches, [0, 0, 1, 1], strict=True):
        assert all(image.shape == images[0].shape for image in images)
        assert all(image.dtype == np.uint8 for image in images)
        if images[0].shape == PICTURES[source].shape:
            assert (images[0] == PICTURES[source]).all()
    several = next(images for images in batches if len(images) > 2 or batch)
    if len(several) > 2:
        assert (several[1] == several[0][:, ::-1]).all() and (several[2] == 128).all()


def test_batches_of_one_size():
    batches = make_batches(PICTURES, 2, (24, 36))
    assert [len(images) for images in batches] == [2, 2]
    assert all(image.shape == (24, 36, 3) for images in batches for image in images)


def means(images):
    """(B, 3) for images (B, H, W, 3)."""
    return np.asarray(images, np.float32).mean(axis=(1, 2)) / 255


class Means:
    """A predictor of the means of the channels of cropped images."""

    classes, palette = ['red', 'green', 'blue'], [(0, 0, 0)] * 3
    model = None
    crop = dict(resize=20, interpolation='bilinear', crop=[16, 16])

    def __init__(self, error=0.0):
        self.error = error

    def samples(self, pictures):
        prepare = ResizeAndCrop(**self.crop)
        return list(means([prepare(picture) for picture in pictures]) + self.error)

    def result(self, picture, sample, classes, palette):
        return Scores(picture, classes, palette, sample)

    @property
    def task(self):
        return SimpleNamespace(result=self.result)


def classifier(**options):
    port = Port('scores', ['batch', 3], 'float32', '')
    return Exportable(
        'classification', nn.Identity(), [port], [port], Pixels([0] * 3, [1] * 3), **options
    )


def session(change=lambda scores: scores):
    """As of a graph: what it is asked for is kept in `asked`."""
    asked = []

    def run(inputs):
        asked.append(inputs['images'].shape)
        return dict(scores=change(means(inputs['images'])))

    return run, asked


def check(change=lambda scores: scores, predictor=None):
    run, asked = session(change)
    graph = SimpleNamespace(graph=None)
    described = classifier(preprocessing=Means.crop)
    batches = make_batches(PICTURES, None, None)
    seen = check_equality(graph, lambda model: run, predictor or Means(), described, batches)
    return seen, asked


def test_a_classifier_is_given_what_is_cropped():
    seen, asked = check()
    assert seen.largest == {'scores': 0} and seen.images == sum(shape[0] for shape in asked) == 8
    assert {shape[1:] for shape in asked} == {(16, 16, 3)}


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda scores: scores * 1.001, 'scores differ by 0.001'),
        (
            lambda scores: scores[:, :2],
            r'it gives scores of shape \(\d, 2\) where \(\d, 3\) is due',
        ),
        (lambda scores: scores * np.nan, 'it gives scores that are not finite'),
        (lambda scores: scores[::-1], 'scores differ by'),
    ],
)
def test_what_differs(change, message):
    with pytest.raises(Unequal, match=message):
        check(change)


def test_a_model_that_is_not_finite_itself():
    with pytest.raises(Unequal, match='scores differ by nan'):
        check(predictor=Means(error=np.nan))


class Net(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3)), x[:, :1]


def network(multiple=1):
    ports = [
        Port('means', ['batch', 3], 'float32', ''),
        Port('red', ['batch', 1, 'height', 'width'], 'float32', ''),
    ]
    return Exportable('backbone', Net(), ports, ports, Pixels([0] * 3, [1] * 3), multiple=multiple)


@pytest.mark.parametrize('multiple', [1, 7, 32])
def test_a_network(multiple):
    described, shapes = network(multiple), []
    described.pixels.divisor = multiple
    rng = np.random.default_rng(0)
    batches = [[*rng.integers(0, 256, (count, 33, 50, 3), np.uint8)] for count in (1, 3)]

    def run(inputs):
        x = torch.from_numpy(inputs['x'])
        shapes.append(x.shape)
        found = described.network(x)
        return dict(means=found[0].numpy(), red=found[1].numpy())

    seen = check_network(run, described, batches)
    assert seen.largest == {'means': 0, 'red': 0} and seen.images == 4
    assert [shape[0] for shape in shapes] == [1, 3]
    assert all(side % multiple == 0 for shape in shapes for side in shape[2:])

    def wrong(inputs):
        return {**run(inputs), 'red': inputs['x'][:, :1] * 1.01}

    with pytest.raises(Unequal, match='red differ by'):
        check_network(wrong, described, batches)


def test_detections_of_a_network():
    """Packed objects are compared one by one, in any order."""
    ports = [Port(name, [], '', '') for name in ('boxes', 'labels', 'scores', 'counts')]

    class Detector(nn.Module):
        def forward(self, x, shape, size):
            assert torch.equal(shape, torch.tensor(x.shape[2:])) and torch.equal(shape, size)
            count = len(x)
            boxes = torch.tensor([[1.0, 2, 30, 40], [5, 6, 20, 9]]).repeat(count, 1)
            labels, scores = torch.tensor([1, 0]), torch.tensor([0.9, 0.4])
            return boxes, labels.repeat(count), scores.repeat(count), torch.full((count,), 2)

    described = Exportable(
        'detection', Detector(), ports, ports, Pixels([0] * 3, [1] * 3), takes_sizes=True
    )

    def run(inputs, order=slice(None), **changes):
        values = described.network(*(torch.from_numpy(value) for value in inputs.values()))
        found = {port.name: value.numpy() for port, value in zip(ports, values, strict=True)}
        return {**found, **{name: change(found[name]) for name, change in changes.items()}}

    batches = [[np.zeros((64, 96, 3), np.uint8)] * count for count in (1, 3, 4)]
    seen = check_network(run, described, batches)
    assert (seen.images, seen.objects) == (8, 16)
    for changes, message in [
        (dict(labels=lambda labels: 0 * labels), 'lacks a class 1 with the score 0.9000'),
        (dict(scores=lambda scores: scores + 0.002), 'lacks a class 1'),
        (dict(counts=lambda counts: counts - 1), 'it gives 2 objects, and counts others'),
    ]:
        with pytest.raises(Unequal, match=message):
            check_network(lambda inputs, c=changes: run(inputs, **c), described, batches)
