"""tools/study.py: counts and speed alone; the whole at a tiny size."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import ROOT

CONFIG = ROOT / 'configs/study/study-baseline_1xb64_digits.py'
TINY = [
    'train_dataloader.dataset.data_root=data/digits/imagenet/train',
    'train_dataloader.batch_size=10',
    'val_dataloader.dataset.data_root=data/digits/imagenet/val',
    'model.model.embed_dim=8',
    'model.model.depths=[1,1]',
    'model.model.num_heads=[1,2]',
    'train_cfg.max_epochs=1',
    'train_cfg.val_interval=1',
    'param_scheduler.1.end=1',
]


def test_without_seeds_counts_and_speed_alone(here, run, capsys):
    run('study', CONFIG, '--seeds', '0', '--rows', 'forget_gate', '--batch', '1', '--work-dir', 'w')
    results = json.loads(Path('w/results.json').read_text())
    assert list(results) == ['baseline', 'forget_gate']
    assert results['baseline']['speed'] == 1
    assert results['forget_gate']['flops'] > results['baseline']['flops']
    assert Path('w/results.md').read_text() in capsys.readouterr().out
    assert 'top-1, ' not in Path('w/results.md').read_text()


@pytest.mark.slow
def test_the_whole_at_a_tiny_size(here):
    command = [
        sys.executable,
        ROOT / 'tools/study.py',
        CONFIG,
        '--work-dir',
        'w',
        '--seeds',
        '1',
        '--rows',
        'cpe',
        'forget_gate',
        '--cfg-options',
        *TINY,
    ]
    env = {**os.environ, 'OMP_NUM_THREADS': '1'}
    first = subprocess.run(command, env=env, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    trained = {file: file.stat().st_mtime for file in Path('w').rglob('*.pth')}
    assert len(trained) >= 3
    again = subprocess.run(command, env=env, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert {file: file.stat().st_mtime for file in Path('w').rglob('*.pth')} == trained
    results = json.loads(Path('w/results.json').read_text())
    assert all(0 <= result['top1'][0] <= 100 for result in results.values())
    for name in ('study', 'attention', 'decay'):
        assert min(Image.open(f'w/{name}.png').size) > 100


@pytest.mark.slow
def test_rows_without_positions_end_without_their_picture(here, run):
    run(
        'study',
        CONFIG,
        '--work-dir',
        'w',
        '--seeds',
        '1',
        '--rows',
        'shortcut',
        '--cfg-options',
        *TINY,
    )
    assert Path('w/results.md').exists()
    assert not Path('w/attention.png').exists()
