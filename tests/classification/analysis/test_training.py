"""Curves of whatever was logged."""

import json
import re

import pytest
from mmengine.config import Config

from classification.analysis.training import read_log, training_section, work_dirs


def log(folder, entries, part='20260101_000000'):
    """Write entries as MMEngine logs them."""
    file = folder / part / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(''.join(json.dumps(entry) + '\n' for entry in entries))
    return folder


def titles(folder, **config):
    cfg = Config(dict(work_dir=str(folder), **config))
    text = ''.join(training_section(read_log(cfg)).content)
    return re.findall(r'>([^<>]+)</text>', text), text


def training(steps, **values):
    return [dict(lr=0.1, loss=3.0 / step, step=step, **values) for step in steps]


def test_no_log(tmp_path):
    assert 'holds no log' in titles(tmp_path)[1]


def test_loss_parts_rate_and_metrics(tmp_path):
    entries = training(range(1, 9), loss_cls=1.0, loss_bbox=0.5, acc=90.0)
    entries.append({'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_s': 0.1, 'time': 1.0, 'step': 1})
    loop = dict(type='EpochBasedTrainLoop')
    found, _ = titles(log(tmp_path, entries), train_cfg=loop)
    assert {'Training loss', 'Its parts', 'Learning rate', 'Evaluations', 'epoch'} <= set(found)
    assert 'loss_cls' in found and 'acc' not in found


@pytest.mark.parametrize(
    'config, unit',
    [
        (dict(train_cfg=dict(by_epoch=True, max_epochs=3)), 'epoch'),
        (dict(train_cfg=dict(type='IterBasedTrainLoop')), 'iteration'),
        (
            dict(
                train_cfg=dict(type='EpochBasedTrainLoop'),
                default_hooks=dict(logger=dict(log_metric_by_epoch=False)),
            ),
            'iteration',
        ),
        (dict(train_cfg=None), 'iteration'),
    ],
)
def test_unit_of_the_evaluations(tmp_path, config, unit):
    folder = log(tmp_path, [dict(mIoU=10.0, step=1), dict(mIoU=20.0, step=2)])
    assert unit in titles(folder, **config)[0]


def test_values_that_are_no_numbers_are_left_out(tmp_path):
    entries = [
        dict(lr=0.1, loss=float('nan'), step=1),
        dict(lr=0.1, loss='<b>', step=2),
        dict(lr=float('inf'), loss=1.0, step=3),
    ]
    found, text = titles(log(tmp_path, entries))
    assert 'Training loss' in found and '<b>' not in text


def test_a_resumed_run_is_joined(tmp_path):
    first, second = tmp_path / 'a', tmp_path / 'b'
    log(first, training([10, 20], loss_cls=1.0, loss_bbox=1.0))
    log(second, training([30]))
    cfg = dict(work_dir=str(second), resume=True, load_from=str(first / 'epoch_1.pth'))
    assert work_dirs(Config(cfg)) == [first, second]
    assert 'Its parts' not in titles(second)[0]
    assert 'Its parts' in titles(second, resume=True, load_from=cfg['load_from'])[0]
    assert work_dirs(Config(dict(cfg, load_from=str(second / 'epoch_1.pth')))) == [second]


def test_many_losses_and_many_steps_stay_small(tmp_path):
    parts = {f'd{i}.loss_{"x" * 50}': float(i) for i in range(60)}
    _, text = titles(log(tmp_path, training(range(1, 5000), **parts)))
    assert 'Its 6 largest parts' in text
    assert len(text) < 300_000
