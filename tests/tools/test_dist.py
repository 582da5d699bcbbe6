"""tools/dist_*.sh and slurm_*.sh: several processes on a CPU, as a user starts them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from classification.engine.weights.formats import read_checkpoint
from tests.helpers import ROOT

CLASSIFICATION = ROOT / 'tests/fixtures/classification.py'
DETECTION = ROOT / 'tests/fixtures/detection.py'


@pytest.fixture
def shell(here):
    """A function: a script of tools/ with arguments, run -> (exit code, stdout, stderr)."""
    python = Path(sys.executable).parent
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    env = {
        **os.environ,
        'PATH': f'{here}:{python}:{os.environ["PATH"]}',
        'PYTHONPATH': path,
        'OMP_NUM_THREADS': '1',
    }

    def call(name, *args, **variables):
        command = ['bash', ROOT / 'tools' / name, *args]
        done = subprocess.run(
            command, env=env | variables, capture_output=True, text=True, timeout=500
        )
        return done.returncode, done.stdout, done.stderr

    return call


def predictions(prefix):
    """Boxes and masks that mmdet's COCO metric wrote, sorted."""
    results = json.loads(Path(f'{prefix}.bbox.json').read_text())
    masks = json.loads(Path(f'{prefix}.segm.json').read_text())
    return sorted(map(str, results)), sorted(map(str, masks))


@pytest.mark.slow
def test_two_processes_train_and_evaluate_like_one(shell, run, here):
    code, out, err = shell('dist_train.sh', DETECTION, '2', '--work-dir', 'w')
    assert code == 0, err
    # 8 images by 2 processes of 2: 2 iterations an epoch, each with an image of both.
    assert '[2][2/2]' in out
    checkpoint = here / 'w/epoch_2.pth'
    assert read_checkpoint(checkpoint)['meta']['iter'] == 4

    # 3 images: one is repeated for the second process, and must not count twice.
    three = ['test_dataloader.dataset.indices=3']
    code, _, err = shell(
        'dist_test.sh',
        DETECTION,
        checkpoint,
        '2',
        '--out',
        'two.json',
        '--show-dir',
        'pictures',
        '--cfg-options',
        *three,
        'test_evaluator.outfile_prefix=two',
    )
    assert code == 0, err
    one = run(
        'test',
        'detection',
        checkpoint,
        '--cfg-options',
        *three,
        'test_evaluator.outfile_prefix=one',
    )
    assert json.loads((here / 'two.json').read_text()) == one
    assert predictions('one') == predictions('two')
    assert len(predictions('one')[0]) >= 3
    assert len(list((here / 'pictures').iterdir())) == 3


# What srun does for the processes of one node, and scontrol for their names.
SRUN = """#!/usr/bin/env python
import os, subprocess, sys
arguments = sys.argv[1:]
count = next(a.split('=')[1] for a in arguments if a.startswith('--ntasks='))
command = arguments[[a.endswith('python') for a in arguments].index(True) :]
places = [dict(SLURM_PROCID=str(i), SLURM_LOCALID=str(i), SLURM_NTASKS=count, SLURM_JOB_ID='71',
               SLURM_JOB_NODELIST='node[1-2]') for i in range(int(count))]
tasks = [subprocess.Popen(command, env=os.environ | place) for place in places]
sys.exit(max(task.wait() for task in tasks))
"""


@pytest.fixture
def fifty(here):
    """A folder of 50 digits, and a file of weights in training and their average."""
    for split in ('train', 'val'):
        for image in (here / 'data/digits/imagenet' / split).glob('*/*'):
            copy = here / 'fifty' / image.parent.name / f'{split}-{image.name}'
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(image, copy)
    assert len(list((here / 'fifty').glob('*/*'))) == 50
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(MODELS.build(Config.fromfile(CLASSIFICATION).model).state_dict())
    torch.save(dict(model=models[0], state_dict_ema=models[1]), 'both.pth')
    options = [
        '--cfg-options',
        'test_dataloader.dataset.data_root=fifty',
        'test_dataloader.batch_size=4',
    ]
    return CLASSIFICATION, 'both.pth', options


def test_fifty_images_count_once_in_three_processes(shell, run, fifty, here):
    """50 = 3 x 17 - 1: the image that fills up the last batch counts in no metric."""
    config, checkpoint, options = fifty
    one = run('test', config, checkpoint, *options)
    counts = [value * 50 / 100 for value in one.values()]
    assert len(counts) == 4 and counts == pytest.approx([round(count) for count in counts])
    code, _, err = shell(
        'dist_test.sh',
        config,
        checkpoint,
        '3',
        '--out',
        'three.json',
        *options,
        'test_evaluator.collect_device=gpu',
    )
    assert code == 0, err
    assert json.loads((here / 'three.json').read_text()) == one


def provide(here, **programs):
    for name, text in programs.items():
        (here / name).write_text(text)
        (here / name).chmod(0o755)


@pytest.mark.slow
def test_processes_of_slurm_evaluate_like_one(shell, run, fifty, here):
    config, checkpoint, options = fifty
    provide(here, srun=SRUN, scontrol='#!/bin/sh\necho 127.0.0.1; echo other')
    code, _, err = shell(
        'slurm_test.sh', 'part', 'job', config, checkpoint, '--out', 'two.json', *options, GPUS='2'
    )
    assert code == 0, err
    assert json.loads((here / 'two.json').read_text()) == run('test', config, checkpoint, *options)


def test_what_slurm_is_asked_for(shell, here):
    provide(here, srun='#!/bin/sh\necho "$@"')
    code, said, _ = shell(
        'slurm_test.sh',
        'part',
        'job',
        'c.py',
        'x.pth',
        '--tta',
        GPUS='2',
        SRUN_ARGS='--time=1:00 --quiet',
    )
    assert code == 0
    assert said.startswith(
        '--partition=part --job-name=job --gres=gpu:2 --ntasks=2 '
        '--ntasks-per-node=2 --cpus-per-task=5 --kill-on-bad-exit=1 '
        '--time=1:00 --quiet '
    )
    assert said.endswith('tools/test.py c.py x.pth --tta --launcher=slurm\n')
    _, said, _ = shell('slurm_train.sh', 'part', 'job', 'c.py', 'w', '--resume', GPUS='16')
    assert '--gres=gpu:8 --ntasks=16 --ntasks-per-node=8' in said
    assert said.endswith('tools/train.py c.py --work-dir w --resume --launcher=slurm\n')


def test_processes_without_slurm(fails, monkeypatch):
    assert '--launcher slurm is for srun' in fails(
        'test', 'classification', 'x', '--launcher', 'slurm'
    )
    for name in ('PROCID', 'LOCALID', 'NTASKS', 'JOB_ID', 'JOB_NODELIST'):
        monkeypatch.setenv(f'SLURM_{name}', '0')
    for name in ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_PORT'):
        monkeypatch.setenv(name, '')  # put back afterwards
    monkeypatch.setenv('PATH', '')
    assert 'set MASTER_ADDR to its name' in fails(
        'test', 'classification', 'x', '--launcher', 'slurm'
    )


def test_an_error_is_said_once_and_without_a_traceback(shell, here):
    code, _, err = shell(
        'dist_train.sh',
        DETECTION,
        '2',
        '--cfg-options',
        'model.backbone.init_cfg.type=Pretrained',
        'model.backbone.init_cfg.checkpoint=none.pth',
    )
    assert code == 1
    assert err.count('error: Checkpoint none.pth does not exist') == 1, err
    assert 'Traceback' not in err and 'ended first, with exit code 1' in err


@pytest.mark.parametrize(
    'script, args, expected',
    [
        ('dist_train.sh', ['config.py'], 'usage is tools/dist_train.sh CONFIG N'),
        ('dist_test.sh', ['config.py', '2'], 'usage is tools/dist_test.sh CONFIG CHECKPOINT N'),
        ('slurm_train.sh', ['p', 'j', 'c.py'], 'usage is tools/slurm_train.sh PARTITION JOB_NAME'),
        ('slurm_test.sh', ['p', 'j', 'c.py'], 'usage is tools/slurm_test.sh PARTITION JOB_NAME'),
    ],
)
def test_arguments_that_are_missing(script, args, expected, shell):
    code, _, err = shell(script, *args)
    assert code == 2 and expected in err
