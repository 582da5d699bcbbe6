"""What a model sees of a picture, and where a point of the picture is in that."""

import functools

import numpy as np
import pytest
from PIL import Image

from classification.engine.configs.loading import load_config
from classification.engine.errors import UsageError
from classification.explanation.subject import open_subject, read_subject
from tests.helpers import FIXTURES


@functools.cache
def subject(task):
    return build(task)


def build(task):
    return read_subject(load_config(FIXTURES / f'{task}.py'), None, task, 'cpu')


@pytest.fixture
def photo():
    """48x64 pixels, smooth, so that resizing changes little."""
    small = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((64, 48), Image.Resampling.BICUBIC))


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
def test_normalisation_is_undone(task, photo):
    one = subject(task)
    seen = one.see(photo)
    height, width = seen.pixels.shape[:2]
    assert seen.inputs.shape == (1, 3, height, width)
    if task == 'classification':  # a centre crop of 32x32, of 32x43
        expected = Image.fromarray(photo).crop((8, 0, 56, 48)).resize((32, 32))
    else:  # padded at the right and the bottom
        scale = min(width / 64, height / 48)
        size = round(64 * scale), round(48 * scale)
        expected = Image.fromarray(photo).resize(size)
    expected = np.asarray(expected).astype(int)
    found = seen.pixels[: expected.shape[0], : expected.shape[1]]
    assert np.abs(found - expected).mean() < 6  # two ways to interpolate


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
@pytest.mark.parametrize('point', [(20, 10), (40, 47), (9, 0)], ids=str)
def test_a_point_is_followed(task, point, photo):
    one = subject(task)
    x, y = one.follow(photo, point)
    seen = one.see(photo).pixels.shape
    if task == 'classification':
        expected = (point[0] - 8) * 32 / 48, point[1] * 32 / 48
    else:
        scale = min(seen[1] / 64, seen[0] / 48)
        expected = point[0] * scale, point[1] * scale
    assert (x, y) == pytest.approx(expected, abs=max(1.5, seen[1] / 64))


def test_a_point_beyond_is_refused(photo):
    one = subject('classification')
    with pytest.raises(UsageError, match='is cropped away'):
        one.follow(photo, (2, 20))
    with pytest.raises(UsageError, match='not in the image of 64x48'):
        one.follow(photo, (64, 20))


def test_random_weights_are_the_same_each_time(photo):
    one, other = (build('classification') for _ in range(2))
    assert one.title == 'classification, random weights' and one.names is None
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    assert all(a.equal(b) for a, b in pairs)


def test_what_is_no_model_is_refused():
    with pytest.raises(UsageError, match='mila_tinny is neither a file.*mila_tiny'):
        open_subject('mila_tinny')
