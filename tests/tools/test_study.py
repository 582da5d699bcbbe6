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


def make(tmp_path, *args):
    return study.Study(study.parse_args([str(CONFIG), '--work-dir', str(tmp_path), *args]))


def test_one_job_for_each_row_and_seed_and_none_for_complete_ones(tmp_path, monkeypatch):
    one = make(tmp_path, '--rows', 'rope', 'ape', '--seeds', '2')
    complete = one.folder('rope', 0) / '1/vis_data'
    complete.mkdir(parents=True)
    (complete / 'scalars.json').write_text('{"accuracy/top1": 42.0, "step": 6}\n')
    unfinished = one.folder('ape', 0) / '1/vis_data'
    unfinished.mkdir(parents=True)
    (unfinished / 'scalars.json').write_text('{"accuracy/top1": 41.0, "step": 5}\n{"loss": 1}\n')
    started = []
    monkeypatch.setattr(study.jobs, 'run_jobs', lambda jobs, slots: started.extend(jobs))
    one.train()
    assert [job.name for job in started] == [
        'baseline, seed 0', 'ape, seed 0', 'baseline, seed 1', 'rope, seed 1', 'ape, seed 1',
    ]  # fmt: skip
    assert one.top1('rope', 0) == 42.0
    command = list(map(str, started[1].command))
    assert command[command.index('--work-dir') + 1] == str(tmp_path / 'ape/seed0')
    assert 'model.model.name=study_ape' in command
    assert 'randomness.seed=0' in command


def test_on_gpus_a_run_goes_through_the_launcher(tmp_path):
    command = make(tmp_path, '--gpus', '4').command('rope', 1)
    assert [Path(command[1]).name, command[3]] == ['dist_train.sh', '4']


def test_another_config_does_not_go_on_in_the_same_folder(tmp_path):
    make(tmp_path).claim()
    make(tmp_path, '--rows', 'rope', '--seeds', '5').claim()  # more of the same
    with pytest.raises(study.UsageError, match='another --work-dir'):
        make(tmp_path, '--cfg-options', 'train_cfg.max_epochs=9').claim()


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
        sys.executable, ROOT / 'tools/study.py', CONFIG, '--work-dir', 'w', '--seeds', '1',
        '--rows', 'cpe', 'forget_gate', '--cfg-options', *TINY,
    ]  # fmt: skip
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
