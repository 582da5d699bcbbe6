"""tools/compare.py: what it refuses; two families at a tiny budget, interrupted once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers import ROOT

FEW = ['train_dataloader.dataset.indices=4', 'train_dataloader.batch_size=2']


def test_errors(fails):
    assert 'resnet is no family: give some of mila, ' in fails('compare', 'resnet', 'mila')


@pytest.mark.parametrize(
    'args', [['--seeds', '0'], ['--epochs', '1', '0', '1'], ['--parallel', '0']]
)
def test_counts_are_from_one(args, run, capsys):
    with pytest.raises(SystemExit):
        run('compare', 'mila', *args)
    assert 'are from 1' in capsys.readouterr().err


@pytest.mark.slow
def test_two_families_end_in_a_table_and_complete_trainings_are_kept(here):
    command = [sys.executable, ROOT / 'tools/compare.py', 'mila', 'convnext', '--work-dir', 'w']
    command += ['--seeds', '1', '--epochs', '1', '1', '1']
    command += ['--classification', 'train_dataloader.batch_size=8']
    command += ['--detection', *FEW, '--segmentation', *FEW]
    env = {**os.environ, 'OMP_NUM_THREADS': '1'}
    first = subprocess.run(command, env=env, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    table = Path('w/results.md').read_text()
    assert table in first.stdout and '| ConvNeXt | 2.01 M |' in table
    results = json.loads(Path('w/results.json').read_text())
    for result in results.values():
        assert list(result['scores']) == ['top-1', 'box AP', 'mask AP', 'mIoU']
        for cost in (seeds[0] for seeds in result['costs'].values()):
            assert 0 < cost['cpu_seconds'] < 600 and 0 < cost['seconds'] < 600
            assert 2**26 < cost['bytes'] < 2**34
    assert min(Image.open('w/comparison.png').size) > 100
    log = Path('w/convnext/detection-seed0/log.txt').read_text()
    assert 'w/convnext/classification-seed0/epoch_1.pth' in log

    trained = {file: file.stat().st_mtime for file in Path('w').rglob('*.pth')}
    shutil.rmtree('w/mila/segmentation-seed0')  # as if it had not been reached
    again = subprocess.run(command, env=env, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    changed = {file for file in trained if file.stat().st_mtime != trained[file]}
    assert changed and all(f.parent == Path('w/mila/segmentation-seed0') for f in changed)
