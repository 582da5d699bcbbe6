"""tools/dist_train.sh and dist_test.sh: two processes on a CPU, as a user starts them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from classification.weights import read_checkpoint

ROOT = Path(__file__).parents[2]
DETECTION = ROOT / 'tests/fixtures/detection.py'


@pytest.fixture
def shell(here):
    """A function: a script of tools/ with arguments, run -> (exit code, stdout, stderr)."""
    python = Path(sys.executable).parent
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    env = {**os.environ, 'PATH': f'{python}:{os.environ["PATH"]}', 'PYTHONPATH': path,
           'OMP_NUM_THREADS': '1'}  # fmt: skip

    def call(name, *args):
        command = ['bash', ROOT / 'tools' / name, *args]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=500)
        return done.returncode, done.stdout, done.stderr

    return call


def predictions(prefix):
    """Boxes and masks that mmdet's COCO metric wrote, sorted."""
    results = json.loads(Path(f'{prefix}.bbox.json').read_text())
    masks = json.loads(Path(f'{prefix}.segm.json').read_text())
    return sorted(map(str, results)), sorted(map(str, masks))


def test_two_processes_train_and_evaluate_like_one(shell, run, here):
    code, out, err = shell('dist_train.sh', DETECTION, '2', '--work-dir', 'w')
    assert code == 0, err
    # 8 images by 2 processes of 2: 2 iterations an epoch, each with an image of both.
    assert '[2][2/2]' in out
    checkpoint = here / 'w/epoch_2.pth'
    assert read_checkpoint(checkpoint)['meta']['iter'] == 4

    # 3 images: one is repeated for the second process, and must not count twice.
    three = ['test_dataloader.dataset.indices=3']
    code, _, err = shell('dist_test.sh', DETECTION, checkpoint, '2', '--out', 'two.json',
                         '--show-dir', 'pictures', '--cfg-options', *three,
                         'test_evaluator.outfile_prefix=two')  # fmt: skip
    assert code == 0, err
    one = run('test', 'detection', checkpoint, '--cfg-options', *three,
              'test_evaluator.outfile_prefix=one')  # fmt: skip
    assert json.loads((here / 'two.json').read_text()) == one
    assert predictions('one') == predictions('two')
    assert len(predictions('one')[0]) >= 3
    assert len(list((here / 'pictures').iterdir())) == 3


def test_an_error_is_said_once_and_without_a_traceback(shell, here):
    code, _, err = shell('dist_train.sh', DETECTION, '2', '--cfg-options',
                         'model.backbone.init_cfg.type=Pretrained',
                         'model.backbone.init_cfg.checkpoint=none.pth')  # fmt: skip
    assert code == 1
    assert err.count('error: Checkpoint none.pth does not exist') == 1, err
    assert 'Traceback' not in err and 'ended first, with exit code 1' in err


@pytest.mark.parametrize(
    'script, args, expected',
    [
        ('dist_train.sh', ['config.py'], 'usage is tools/dist_train.sh CONFIG N'),
        ('dist_test.sh', ['config.py', '2'], 'usage is tools/dist_test.sh CONFIG CHECKPOINT N'),
    ],
)
def test_arguments_that_are_missing(script, args, expected, shell):
    code, _, err = shell(script, *args)
    assert code == 2 and expected in err


def test_where_processes_meet(script):
    place = script('launch').place
    assert place({}) == ['--standalone', '--local-addr=127.0.0.1']
    assert place({'PORT': '29501'}) == ['--master-addr=127.0.0.1', '--master-port=29501']
    nodes = {'NNODES': '2', 'NODE_RANK': '1', 'MASTER_ADDR': 'host'}
    assert place(nodes) == ['--nnodes=2', '--node-rank=1', '--master-addr=host',
                            '--master-port=29500']  # fmt: skip
    with pytest.raises(SystemExit, match='NODE_RANK is not set'):
        place({'NNODES': '2', 'MASTER_ADDR': 'host'})
    with pytest.raises(SystemExit, match='number of processes is x'):
        script('launch').main('x', 'train.py')
