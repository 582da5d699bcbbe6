"""classification/visualization/curves.py: what of several runs' logs is drawn."""

import json

import pytest
from PIL import Image

from classification.visualization.curves import draw_curves, read_scalar


@pytest.fixture
def logs(tmp_path):
    """A run that was stopped after two epochs of two iterations, and one that went on in it."""
    lines = {
        'a/20260101_000000': [
            dict(loss=4.0, lr=0.1, step=1),
            dict(loss=3.0, lr=0.1, step=2),
            {'accuracy/top1': 10.0, 'accuracy/ema_top1': 5.0, 'step': 1},
            dict(loss=9.0, lr=0.1, step=3),
        ],
        'b/20260102_000000': [
            dict(loss=2.0, lr=0.2, step=3),
            dict(loss=1.0, lr=0.2, step=4),
            {'accuracy/top1': 20.0, 'accuracy/ema_top1': 15.0, 'step': 2},
        ],
    }
    for name, content in lines.items():
        file = tmp_path / name / 'vis_data/scalars.json'
        file.parent.mkdir(parents=True)
        file.write_text('\n'.join(map(json.dumps, content)) + '\n')
    return [tmp_path / 'a', tmp_path / 'b']


def test_the_history_is_whole_and_the_later_run_counts(logs):
    assert read_scalar(logs, 'loss') == {1: 4.0, 2: 3.0, 3: 2.0, 4: 1.0}
    assert read_scalar(logs, 'accuracy/ema_top1') == {1: 5.0, 2: 15.0}
    assert read_scalar(logs[:1], 'loss')[3] == 9.0


def test_the_picture(logs, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        'matplotlib.axes.Axes.plot',
        lambda self, x, y, label, **_: drawn.append((label, list(x), list(y))),
    )
    draw_curves(logs, 2, tmp_path / 'curves.png')
    assert drawn == [
        ('training', [0.5, 1.0, 1.5, 2.0], [4.0, 3.0, 2.0, 1.0]),
        ('model', [1, 2], [10.0, 20.0]),
        ('EMA weights', [1, 2], [5.0, 15.0]),
        (None, [0.5, 1.0, 1.5, 2.0], [0.1, 0.1, 0.2, 0.2]),
    ]
    assert Image.open(tmp_path / 'curves.png').size == (1200, 320)


def test_a_run_without_validation(logs, tmp_path):
    draw_curves([tmp_path / 'none'], 2, tmp_path / 'curves.png')
    assert (tmp_path / 'curves.png').exists()
