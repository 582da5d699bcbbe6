"""tools/study.py: what is trained, what is complete, the table; the whole at a tiny size."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import study
from PIL import Image

from classification.models import ROWS

ROOT = Path(__file__).parents[2]
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


def test_rows_are_the_config_with_another_model():
    one = study.Study(study.parse_args([str(CONFIG), '--rows', 'rope', 'ape']))
    assert list(one.variants) == ['baseline', 'rope', 'ape']
    assert one.cfg('rope').model.model.name == 'study_rope'
    assert one.cfg().model.model.name == one.cfg('baseline').model.model.name == 'study_baseline'


def test_table():
    results = {
        'baseline': dict(params=136458, flops=3.48e6, speed=1, top1=[50.0, 52.0]),
        'mamba': dict(params=28.3e6, flops=4.5e9, speed=0.5, top1=[90.0, 90.0]),
    }
    header, _, baseline, mamba = study.study_report.table(results, ROWS).splitlines()
    assert 'top-1, 2 seeds' in header and 'top-1 (published)' in header
    here, published = '136 k | 3.48 M | 1.00 | 51.0 ± 1.4', '28 M | 4.5 G | 1.00 | 77.6'
    assert baseline == f'| baseline | {here} | {published} |'
    assert mamba == '| mamba | 28.3 M | 4.5 G | 0.50 | 90.0 ± 0.0 |  |  |  |  |'


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
