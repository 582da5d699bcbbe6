"""engine/machine/faults.py: faults of the machine are one sentence, bugs stay bugs."""

import errno

import pytest
import torch

from classification.engine.errors import DataError, UsageError
from classification.engine.machine.faults import machine_faults


@pytest.mark.parametrize(
    'number, path, said',
    [
        (errno.ENOSPC, 'w/x.pth', r'w/x.pth cannot be written \(No space left on device\): make'),
        (errno.ENOSPC, None, 'w cannot be written .*--resume'),
        (errno.EROFS, 'w/x.pth', 'allow this user to write there'),
        (errno.EACCES, 'w/x.pth', 'or give another folder'),
        (errno.ENOTDIR, 'w/x.pth', 'a file is in the way'),
        (errno.EIO, 'w/x.pth', 'check the disk'),
        (errno.ENOENT, 'w/x.pth', 'deleted or moved meanwhile'),
    ],
)
def test_files(number, path, said, here):
    with pytest.raises(UsageError, match=said), machine_faults('w'):
        raise OSError(number, 'text', path)


@pytest.mark.parametrize(
    'text, said',
    [
        (
            'Expected to have finished reduction in the prior iteration before starting a new one.',
            'find_unused_parameters=True',
        ),
        (
            'Caught RuntimeError in DataLoader worker process 0.\nRuntimeError: unable to write to '
            'file </torch_71_3_0>: No space left on device (28)',
            '/dev/shm',
        ),
        (
            'DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that '
            "dataloader's workers are out of shared memory.",
            '/dev/shm',
        ),
        ('DataLoader worker (pid 7) is killed by signal: Killed. ', 'num_workers; a training'),
        ('DataLoader worker (pid(s) 7) exited unexpectedly', 'num_workers; a training'),
        ('server socket has failed: port: 29500, code: -98, name: EADDRINUSE', 'set PORT'),
        ('[gloo/transport/tcp/pair.cc:537] Connection closed by peer [127.0.0.1]:5', 'is above'),
        ('CUDA out of memory. Tried to allocate 2.00 GiB', 'train_dataloader.batch_size'),
        ('[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed', 'make room'),
    ],
)
def test_what_torch_says(text, said):
    with pytest.raises(UsageError, match=said), machine_faults('w'):
        raise RuntimeError(text)


def test_parameters_without_a_part_in_the_loss(tmp_path):
    """As of a backbone whose first map a detector does not use."""
    store = torch.distributed.FileStore(str(tmp_path / 'store'), 1)
    torch.distributed.init_process_group('gloo', store=store, rank=0, world_size=1)
    try:
        used = torch.nn.ModuleDict(dict(a=torch.nn.Linear(2, 2), b=torch.nn.Linear(2, 2)))
        used.forward = lambda x: used['a'](x)
        model = torch.nn.parallel.DistributedDataParallel(used)
        with pytest.raises(UsageError, match='find_unused_parameters=True'), machine_faults('w'):
            for _ in range(2):
                model(torch.ones(1, 2)).sum().backward()
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    'error', [RuntimeError('a bug'), OSError(errno.ENOENT, 'x', 'data/a'), DataError('Timed out')]
)
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as caught, machine_faults('w'):
        raise error
    assert caught.value is error
