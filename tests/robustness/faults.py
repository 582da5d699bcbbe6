"""Faults of the machine in a training: each is one sentence in a bounded time, and nothing is lost.

Where a fault takes a machine of its own (a full disk, a full /dev/shm), the error that the system
or torch gives is raised at the place where it comes from.
"""

import errno
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.fileio.backends import LocalBackend
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

import classification  # noqa: F401  (before the forks of the guard, which then start at once)
from classification.engine.running.training import train
from classification.engine.weights.formats import read_checkpoint
from tests.helpers import ROOT, assert_same_training
from tests.robustness.kills import config, in_a_fork, write_images

TITLE = 'faults of the machine in training'
TIME_LIMIT = 120  # several trainings, which take a few seconds each on a quiet machine


def cases(count: int, seed: int) -> list[str]:
    return list(FAULTS)[:count]


def run(name: str, seed: int, folder: Path) -> str:
    write_images(folder)
    return FAULTS[name]() or 'right'


def disk_full_at_a_checkpoint() -> None:
    _fails_at_the_third_file(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def disk_read_only_at_a_checkpoint() -> None:
    _fails_at_the_third_file(OSError(errno.EROFS, os.strerror(errno.EROFS)))


def _fails_at_the_third_file(error: OSError) -> None:
    put, files = LocalBackend.put, []

    def failing(self: LocalBackend, data: bytes, path: str) -> None:
        files.append(path)
        if len(files) >= 3:
            Path(path).write_bytes(b'half')
            raise error
        put(self, data, path)

    LocalBackend.put = failing
    _expect(
        '--resume' if error.errno == errno.ENOSPC else 'allow this user',
        train,
        config('epochs', 'w'),
    )
    LocalBackend.put = put
    assert not list(Path('w').glob('.*')), 'leftovers'
    _goes_on()


def _goes_on() -> None:
    """The training resumes and ends as one that never failed."""
    in_a_fork(lambda: train(config('epochs', 'w'), resume='last'))
    in_a_fork(lambda: train(config('epochs', 'whole')))
    one, other = (read_checkpoint(f'{folder}/epoch_3.pth') for folder in ('w', 'whole'))
    assert_same_training(one, other)


def _expect(words: str, call: Callable, *args: Any) -> None:
    """Call what has to end in a sentence of the project with these words."""
    try:
        call(*args)
    except RuntimeError as error:
        assert words in str(error) and type(error).__module__.startswith('classification'), error
        return
    raise AssertionError('no error')


_CALLS: list[Callable[[], None]] = []


@HOOKS.register_module()
class CallAtTheFifth(Hook):
    """Call what `training_with` was given before the fifth iteration."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter == 4:
            _CALLS[-1]()


def training_with(call: Callable[[], None]) -> Config:
    """The config of a training in the course of which a function is called."""
    _CALLS.append(call)
    cfg = config('epochs', 'w')
    cfg.custom_hooks.append(dict(type='CallAtTheFifth'))
    return cfg


def work_dir_deleted() -> None:
    cfg = training_with(lambda: subprocess.run(['rm', '-r', 'w'], check=True))
    _expect('deleted or moved meanwhile', train, cfg)


def work_dir_is_a_file() -> None:
    Path('w').touch()
    train(config('epochs', 'w'))


def work_dir_that_nobody_may_write() -> None:
    train(config('epochs', '/sys/w'))


def work_dir_of_other_things() -> None:
    """Files that are not of a training stay as they are."""
    Path('w').mkdir()
    Path('w/notes.txt').write_text('mine')
    train(config('epochs', 'w'))
    assert Path('w/notes.txt').read_text() == 'mine' and Path('w/epoch_3.pth').exists()


def a_second_training() -> None:
    cfg = training_with(lambda: in_a_fork(_second))
    train(cfg)
    assert Path('w/epoch_3.pth').exists()


def _second() -> None:
    _expect(f'being written by another process ({os.getppid()} on', train, config('epochs', 'w'))


def killed_loader_worker() -> None:
    def kill() -> None:
        for worker in multiprocessing.active_children():
            os.kill(worker.pid or 0, signal.SIGKILL)
        time.sleep(1)

    cfg = training_with(kill)
    cfg.train_dataloader.update(num_workers=1, persistent_workers=True)
    _expect('A worker that loads images was ended from outside', train, cfg)
    _goes_on()


def shared_memory_full() -> None:
    def fail() -> None:
        raise RuntimeError(
            'Caught RuntimeError in DataLoader worker process 0.\nRuntimeError: unable to write to '
            'file </torch_71_3_0>: No space left on device (28)'
        )

    cfg = training_with(fail)
    _expect('/dev/shm', train, cfg)
    _goes_on()


def loss_that_is_not_finite() -> None:
    cfg = config('epochs', 'w')
    cfg.optim_wrapper.update(optimizer=dict(type='SGD', lr=1e30), clip_grad=None)
    cfg.param_scheduler = None
    cfg.default_hooks.non_finite = dict(limit=2)
    _expect('not finite', train, cfg)
    for path in Path('w').glob('*.pth'):
        assert all(v.isfinite().all() for v in read_checkpoint(path)['state_dict'].values())
    assert torch.load('w/non_finite.pt', weights_only=True)['images']


def port_taken() -> None:
    with socket.create_server(('127.0.0.1', 0)) as taken:
        _launch_fails('is taken: set PORT', PORT=str(taken.getsockname()[1]))


def missing_machine() -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = str(server.getsockname()[1])
    _launch_fails('did not meet at', NNODES='2', NODE_RANK='0', PORT=port, WAIT='2')


def rank_of_no_machine() -> None:
    _launch_fails('NODE_RANK is 5: give 0 to 1', NNODES='2', NODE_RANK='5')


def _launcher(*arguments: str, **variables: str) -> subprocess.Popen:
    """tools/dist_train.sh as a user starts it, with one thread in each process."""
    env = {**os.environ, 'MASTER_ADDR': '127.0.0.1', 'OMP_NUM_THREADS': '1', **variables}
    env['PATH'] = f'{Path(sys.executable).parent}:{env["PATH"]}'
    command = ['bash', str(ROOT / 'tools/dist_train.sh'), *arguments]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


def _launch_fails(words: str, **variables: str) -> None:
    with _launcher('config.py', '1', **variables) as launcher:
        _, said = launcher.communicate(timeout=50)
    assert launcher.returncode == 1 and words in said and said.strip().count('\n') == 0, said


def killed_launcher() -> None:
    """Its ranks save the training and end."""
    _two_processes(lambda launcher, ranks: launcher.kill(), 'interrupted.pth')


def killed_rank() -> None:
    """The other ends, and one of both says what to do."""
    _two_processes(lambda launcher, ranks: os.kill(ranks[1], signal.SIGKILL), 'epoch_1.pth')


def _two_processes(harm: Callable[[subprocess.Popen, list[int]], None], left: str) -> None:
    cfg = config('epochs', 'w')
    cfg.train_cfg.max_epochs = 10_000
    cfg.train_dataloader.batch_size = 2
    cfg.dump('config.py')
    launcher = _launcher('config.py', '2')
    _wait(lambda: Path('w/epoch_1.pth').exists())
    ranks = _children(launcher.pid)
    assert len(ranks) == 2
    harm(launcher, ranks)
    _wait(lambda: not any(map(_lives, [launcher.pid, *ranks])), launcher)
    assert Path('w', left).exists() and not list(Path('w').glob('.partial-*'))
    said = launcher.stderr.read() if launcher.stderr else ''
    assert 'Traceback' not in said, said[-1500:]


def _children(pid: int) -> list[int]:
    return [int(n) for n in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def _lives(pid: int) -> bool:
    status = Path(f'/proc/{pid}/status')
    return status.exists() and '\nState:\tZ' not in status.read_text()


def _wait(done: Callable[[], bool], launcher: subprocess.Popen | None = None) -> None:
    end = time.monotonic() + 45
    while not done():
        assert time.monotonic() < end, 'waited too long'
        if launcher:
            launcher.poll()
        time.sleep(0.1)


FAULTS: dict[str, Callable[[], None]] = {
    function.__name__.replace('_', ' '): function
    for function in (
        disk_full_at_a_checkpoint,
        a_second_training,
        loss_that_is_not_finite,
        port_taken,
        killed_loader_worker,
        rank_of_no_machine,
        killed_rank,
        killed_launcher,
        disk_read_only_at_a_checkpoint,
        work_dir_deleted,
        work_dir_is_a_file,
        work_dir_that_nobody_may_write,
        work_dir_of_other_things,
        shared_memory_full,
        missing_machine,
    )
}
