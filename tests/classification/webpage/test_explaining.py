"""webpage/explaining.py: a point of the picture is found in what the model sees of it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from classification.engine.errors import UsageError
from classification.explanation.attention import AttentionMap, attention_maps
from classification.webpage import explaining
from classification.webpage.explaining import explain, look
from tests.webpage import random_predictor

PICTURE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)


class Pipeline:
    """Resizes, cuts, normalises and pads as it is told."""

    def __init__(self, size, left=0, top=0, width=None, height=None, pad=(0, 0)):
        self.size, self.pad = size, pad
        self.rows = slice(top, top + (height or size[0]))
        self.columns = slice(left, left + (width or size[1]))

    def inputs(self, picture):
        image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
        image = F.interpolate(image, self.size, mode='bilinear', antialias=True)
        image = (image[..., self.rows, self.columns] - 123.7) / 58.4
        return F.pad(image, (0, self.pad[0], 0, self.pad[1]))


@pytest.mark.parametrize(
    ('pipeline', 'box'),
    [
        (Pipeline((60, 90)), (0, 0, 1, 1)),
        (Pipeline((120, 180)), (0, 0, 1, 1)),
        (Pipeline((33, 51), pad=(13, 7)), (0, 0, 1, 1)),
        (Pipeline((40, 60), left=10, width=40), (1 / 6, 0, 5 / 6, 1)),
        (
            Pipeline((64, 96), left=8, top=12, width=48, height=40, pad=(3, 0)),
            (8 / 96, 12 / 64, 56 / 96, 52 / 64),
        ),
    ],
)
def test_where_each_pixel_is_from(pipeline, box):
    seen = look(pipeline, PICTURE)
    height, width = seen.inputs.shape[-2:]
    assert seen.shown.shape == seen.x.shape == seen.y.shape == (height, width)
    height, width = height - pipeline.pad[1], width - pipeline.pad[0]
    assert seen.shown[:height, :width].all() and seen.shown.sum() == height * width
    left, top, right, bottom = box
    x = left + (np.arange(width) + 0.5) / width * (right - left)
    y = top + (np.arange(height) + 0.5) / height * (bottom - top)
    # Half a pixel of the picture, and what 8 bits tell apart.
    assert np.abs(seen.x[:height, :width] - x).max() < 0.5 / 90 + 1 / 255
    assert np.abs(seen.y[:height, :width] - y[:, None]).max() < 0.5 / 60 + 1 / 255
    assert np.isnan(seen.x[~seen.shown]).all()


@pytest.fixture
def predictor(config, tmp_path):
    """A function: task -> a predictor with random weights."""
    return lambda task: random_predictor(config(task), tmp_path)


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
def test_the_maps_of_a_point(task, predictor, monkeypatch):
    model, asked = predictor(task), []

    def attend(network, inputs, point):
        asked.append((inputs, point))
        return attention_maps(network, inputs, point)

    monkeypatch.setattr(explaining, 'attention_maps', attend)
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    maps = explain(model, picture, (0.75, 0.25))
    [(inputs, (x, y))] = asked
    assert (inputs == model.inputs(picture)).all()
    height, width = inputs.shape[-2:]
    assert abs(x + 0.5 - 0.75 * width) <= 1 and abs(y + 0.5 - 0.25 * height) <= 1
    assert [one.title for one in maps] == [
        f'Stage {one.stage + 1}: {one.kind}' for one in attention_maps(model.model, inputs, (x, y))
    ]
    assert all(one.picture.size == (256, 256) for one in maps)


def test_the_brightest_part_is_where_the_weights_are(monkeypatch, predictor):
    weights = np.zeros((4, 4), np.float32)
    weights[1, 2], weights[3, 0] = 1, -1
    found = AttentionMap(0, 'test', (0, 0), weights)
    monkeypatch.setattr(explaining, 'attention_maps', lambda *_: [found])
    [drawn] = explain(predictor('classification'), np.full((64, 64, 3), 100, np.uint8), (0.5, 0.5))
    light = np.asarray(drawn.picture, int).sum(-1)
    row, column = np.unravel_index(light.argmax(), light.shape)
    assert abs(row - 96) <= 16 and abs(column - 160) <= 16
    assert light[192:, :64].max() == light.min(), 'what is negative is dark'


@pytest.mark.parametrize('place', [(0, 0), (1, 1), (0, 1), (0.999999, 0.5)])
def test_points_at_the_edge_are_seen(place, predictor):
    assert explain(predictor('classification'), np.zeros((64, 64, 3), np.uint8), place)


def test_a_point_that_was_cut_off(monkeypatch, predictor):
    model = predictor('classification')
    cut = Pipeline((40, 60), left=10, width=40)
    monkeypatch.setattr(model, 'inputs', cut.inputs)
    with pytest.raises(UsageError, match='does not see this point'):
        explain(model, PICTURE, (0.05, 0.5))


def test_a_model_that_is_exported():
    with pytest.raises(UsageError, match='tells nothing of its attention'):
        explain(lambda image: None, PICTURE, (0.5, 0.5))
