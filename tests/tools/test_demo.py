"""tools/demo.py: the whole chain at a tiny budget, interrupted once; the figures mean nothing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

DEMO = Path(__file__).parents[2] / 'tools/demo.py'

ONE_EPOCH = ['train_cfg.max_epochs=1', 'param_scheduler.1.end=1']
FEW = ['train_dataloader.dataset.indices=4', 'train_dataloader.batch_size=2']


@pytest.mark.slow
def test_demo_goes_on_where_it_stopped_and_ends_with_table_and_pictures(here):
    command = [
        sys.executable,
        DEMO,
        '--work-dir',
        'demo',
        '--data',
        'data/digits',
        '--classifier',
        *ONE_EPOCH,
        'train_dataloader.batch_size=8',
        '--detection',
        *ONE_EPOCH,
        *FEW,
        '--segmentation',
        *ONE_EPOCH,
        *FEW,
    ]
    broken_off = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    classifier = Path('demo/classifier/metrics.json')
    deadline = time.time() + 300
    while not classifier.exists() and broken_off.poll() is None and time.time() < deadline:
        time.sleep(0.2)
    broken_off.terminate()
    assert broken_off.wait()
    trained = os.stat(classifier).st_mtime

    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert os.stat(classifier).st_mtime == trained  # not trained again
    table = Path('demo/results.md').read_text()
    assert table in done.stdout
    rows = json.loads(Path('demo/results.json').read_text())
    assert [row['metric'] for row in rows] == ['top-1', 'box AP', 'mask AP', 'mIoU']
    for row in rows:
        assert f'{row["pretrained"]:.1f}' in table
    for name in ('curves', 'classification', 'detection', 'segmentation'):
        picture = Image.open(f'demo/{name}.png').convert('RGB')
        assert min(picture.size) > 100 and len(picture.getcolors(2**24)) > 100, name
    log = Path('demo/detection-pretrained/log.txt').read_text()
    assert 'demo/classifier/epoch_1.pth' in log  # its weights are those of the classifier
    assert 'demo/classifier/' not in Path('demo/detection-scratch/log.txt').read_text()


def test_a_failing_step_is_named_with_its_log(here):
    command = [
        sys.executable,
        DEMO,
        '--work-dir',
        'demo',
        '--data',
        'data/digits',
        '--classifier',
        'model.model.name=mila_tyni',
    ]
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode
    assert 'classifier: train failed' in failed.stderr and 'mila_tiny' in failed.stderr
    assert 'demo/classifier/log.txt' in failed.stderr
    assert 'Traceback' not in failed.stderr
