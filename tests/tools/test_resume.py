"""A training that stops and resumes ends, to the bit, as one that never stopped."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from classification.engine.weights.formats import read_checkpoint
from classification.visualization.curves import read_scalar
from tests.helpers import FIXTURES, ROOT, assert_same_training

RECIPE = FIXTURES / 'recipe.py'


def assert_same(one, other):
    """All but times and paths: state, position, and the log of losses and rates."""
    assert_same_training(one, other)
    for name in ('epoch', 'iter', 'seed'):
        assert one['meta'][name] == other['meta'][name]
    for name in ('train/loss', 'train/lr'):
        a, b = (file['message_hub']['log_scalars'][name].data[0] for file in (one, other))
        assert a.tolist() == b.tolist(), name


@pytest.fixture
def stopping(here, monkeypatch):
    """A function: task, other entries, arguments of StopAt -> path of a config with all of it."""
    monkeypatch.syspath_prepend(FIXTURES)

    def write(task, text='', **stop):
        base, path = FIXTURES / f'{task}.py', here / 'stopping.py'
        path.write_text(
            f'_base_ = {str(base)!r}\n'
            "custom_imports = dict(imports=['classification', 'detection', 'stop_at'])\n"
            f'custom_hooks = [*_base_.custom_hooks, dict(type="StopAt", **{stop})]\n{text}'
        )
        return path

    return write


@pytest.fixture
def whole(trained):
    """Checkpoint of the recipe's whole training, which never stopped."""
    return read_checkpoint(trained('recipe') / 'epoch_4.pth')


# Within an epoch, at the end of one that is to be validated, and with MESA.
@pytest.mark.parametrize('iteration, workers', [(2, 0), (8, 0), (14, 2)])
def test_sigterm(iteration, workers, stopping, whole, run, fails, here):
    """It ends the training after the iteration, with a checkpoint to go on from."""
    options = ['--work-dir', 'w', '--cfg-options', f'train_dataloader.num_workers={workers}']
    sentence = fails('train', stopping('recipe', iteration=iteration), *options)
    assert sentence == (
        f'SIGTERM stopped training after iteration {iteration}, saved in {here}/w/interrupted.pth: '
        'go on with --resume.'
    )
    assert read_checkpoint('w/interrupted.pth')['meta']['iter'] == iteration
    run('train', 'recipe', '--resume', *options)
    assert_same(read_checkpoint('w/epoch_4.pth'), whole)
    assert list(here.glob('w/best_accuracy_ema_top1_epoch_*.pth'))
    assert list(read_scalar([here / 'w'], 'loss')) == list(range(1, 17))
    assert (here / 'w/curves.png').stat().st_size > 5000


@pytest.mark.parametrize(
    'task, end', [('detection', 'epoch_2.pth'), ('segmentation', 'iter_6.pth')]
)
def test_sigterm_in_other_tasks(task, end, stopping, trained, run, fails):
    fails('train', stopping(task, iteration=2), '--work-dir', 'w')
    run('train', task, '--work-dir', 'w', '--resume')
    assert_same(read_checkpoint(f'w/{end}'), read_checkpoint(trained(task) / end))


def test_evaluation_does_not_resume(trained, run, here):
    """Neither by the config nor because the work dir holds a later checkpoint."""
    first, last = (trained('recipe') / f'epoch_{epoch}.pth' for epoch in (1, 4))
    options = ['--work-dir', trained('recipe'), '--cfg-options', 'resume=True']
    before = run('test', 'recipe', first)
    assert run('test', 'recipe', first, *options) == before
    assert run('test', 'recipe', last) != before


def test_sigterm_waits_for_the_update(stopping, fails, here):
    """Gradients that accumulate are in no checkpoint."""
    config = stopping('recipe', 'optim_wrapper = dict(accumulative_counts=2)', iteration=3)
    assert 'after iteration 4,' in fails('train', config, '--work-dir', 'w')


def test_a_crash_between_checkpoints(stopping, whole, run, here):
    config = stopping('recipe', iteration=7, signal='KILL')
    # One thread as everywhere in the tests: another number sums in another order.
    path = os.pathsep.join((str(ROOT), str(FIXTURES)))
    env = {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, ROOT / 'tools/train.py', config, '--work-dir', 'w']
    done = subprocess.run(command, env=env, capture_output=True, timeout=120)
    assert done.returncode == -9
    assert {path.name for path in here.glob('w/*.pth')} == {'epoch_1.pth'}
    run('train', 'recipe', '--work-dir', 'w', '--resume')
    assert_same(read_checkpoint('w/epoch_4.pth'), whole)


@pytest.fixture
def scaled(monkeypatch):
    """MMEngine's mixed precision with a loss scale, which it has on a GPU alone, on the CPU."""
    module = 'mmengine.optim.optimizer.amp_optimizer_wrapper'
    monkeypatch.setattr(f'{module}.is_cuda_available', lambda: True)
    monkeypatch.setattr(f'{module}.GradScaler', partial(torch.amp.GradScaler, 'cpu'))
    return (
        "optim_wrapper = dict(type='AmpOptimWrapper', dtype='bfloat16',"
        ' loss_scale=dict(init_scale=64.0, growth_interval=3))'
    )


def test_the_loss_scale_goes_on(scaled, stopping, run, fails, here):
    """It doubles with every third update: after 16 by 32 times."""
    run('train', stopping('recipe', scaled, iteration=0), '--work-dir', 'a')
    whole = read_checkpoint('a/epoch_4.pth')
    assert whole['optimizer']['loss_scaler']['scale'] == 64 * 2**5
    fails('train', stopping('recipe', scaled, iteration=8), '--work-dir', 'b')
    assert read_checkpoint('b/interrupted.pth')['optimizer']['loss_scaler'] == dict(
        whole['optimizer']['loss_scaler'], scale=64 * 2**2, _growth_tracker=2
    )
    run('train', stopping('recipe', scaled, iteration=0), '--work-dir', 'b', '--resume')
    assert_same(read_checkpoint('b/epoch_4.pth'), whole)


def test_only_with_the_average_that_was_trained(whole, trained, fails, here):
    sentence = fails(
        'train',
        'recipe',
        '--work-dir',
        'w',
        '--resume',
        trained('recipe') / 'epoch_1.pth',
        '--cfg-options',
        'default_hooks.ema=None',
        'default_hooks.mesa=None',
    )
    assert 'epoch_1.pth cannot be resumed without averaging the weights' in sentence


@pytest.mark.slow
def test_two_processes(stopping, here):
    """The signal reaches one of them; both stop after the same iteration and go on exactly."""

    def train(config, *args):
        python = Path(sys.executable).parent
        path = os.pathsep.join((str(ROOT), str(FIXTURES)))
        env = {
            **os.environ,
            'PATH': f'{python}:{os.environ["PATH"]}',
            'PYTHONPATH': path,
            'OMP_NUM_THREADS': '1',
        }
        command = ['bash', ROOT / 'tools/dist_train.sh', config, '2', *args]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)

    text = 'train_dataloader = dict(num_workers=1, persistent_workers=True)'
    done = train(stopping('recipe', text, iteration=0), '--work-dir', 'a')
    assert done.returncode == 0, done.stderr
    done = train(stopping('recipe', text, iteration=5, rank=1), '--work-dir', 'b')
    assert done.returncode == 1
    assert done.stderr.count('SIGTERM stopped training after iteration 5,') == 1, done.stderr
    assert 'Traceback' not in done.stderr, done.stderr
    done = train(stopping('recipe', text, iteration=0), '--work-dir', 'b', '--resume')
    assert done.returncode == 0, done.stderr
    assert_same(read_checkpoint('b/epoch_4.pth'), read_checkpoint('a/epoch_4.pth'))
    statistics = [read_checkpoint(f'{f}/epoch_4.pth')['meta']['statistics'] for f in 'ab']
    assert str(statistics[0]) == str(statistics[1])
