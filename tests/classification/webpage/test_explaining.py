"""webpage/explaining.py: a served model explains a point as one that is loaded for it."""

import numpy as np
import pytest

from classification.engine.errors import UsageError
from classification.explanation.explaining import show_attention
from classification.explanation.subject import read_subject
from classification.webpage.explaining import explain
from tests.webpage import random_predictor

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
def test_a_point_is_explained(task, config, tmp_path):
    predictor = random_predictor(config(task), tmp_path)
    subject = read_subject(config(task), tmp_path / 'random.pth', 'x', 'cpu')
    subject.title = 'mine'
    expected = show_attention(subject, PICTURE, (48, 16), columns=3)
    drawn = explain(predictor, PICTURE, (0.76, 0.25), 'mine')
    assert (np.asarray(drawn) == np.asarray(expected)).all()


@pytest.mark.parametrize('place', [(0, 0), (0.999999, 0.999999), (0, 0.5)])
def test_points_at_the_edge(place, config, tmp_path):
    assert explain(random_predictor(config('classification'), tmp_path), PICTURE, place, 'x')


def test_a_model_that_is_exported():
    with pytest.raises(UsageError, match='tells nothing of its attention'):
        explain(lambda image: None, PICTURE, (0.5, 0.5), 'x')
