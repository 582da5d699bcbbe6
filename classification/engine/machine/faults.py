"""What the machine does to a run, in one sentence: disk, memory, network, dead processes."""

import errno
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CheckpointError, DataError, Stopped, UsageError

_RESUME = 'a training goes on with --resume from its last checkpoint, which is whole'
# Part of what torch says -> what it means, and the cure. The first that fits.
_MEANINGS = {
    'Expected to have finished reduction in the prior iteration': 'Some parameters of the model '
    'have no part in the loss, and processes wait for their gradients: set '
    'find_unused_parameters=True in the config, or use all outputs of the backbone.',
    r'out of shared memory|unable to (open|mmap|resize|write|allocate) .*(shared memory|torch_\d)'
    r'|killed by signal: Bus error': 'The shared memory (/dev/shm) is full, through which workers '
    'hand over images: give it more room (docker run --shm-size), or fewer workers by '
    f'train_dataloader.num_workers; {_RESUME}.',
    r'DataLoader worker .*(killed by signal|exited unexpectedly)': 'A worker that loads images was '
    'ended from outside, most often because the memory was full: use fewer by '
    f'train_dataloader.num_workers; {_RESUME}.',
    'EADDRINUSE|address already in use': 'The port where the processes meet is taken: set PORT to '
    'another, or leave it unset on one machine.',
    'Connection closed by peer|Connection reset|Broken pipe|Connection refused|Socket Timeout'
    '|[Tt]imed out|wait timeout|remote process exited|NCCL communicator was aborted': 'Another '
    'process of this run has ended or does not answer, what it said is above; '
    f'{_RESUME}.',
    'CUDA out of memory': 'The memory of the GPU is full: lower train_dataloader.batch_size, or '
    f'train with --amp; {_RESUME}.',
    'PytorchStreamWriter failed|iostream error': 'A file cannot be written, the disk may be full: '
    f'make room; {_RESUME}.',
}


@contextmanager
def machine_faults(folder: str | os.PathLike) -> Iterator[None]:
    """Turn faults of the machine, in a run that writes to `folder`, into a UsageError.

    What has another cause passes as it is.
    """
    logging.raiseExceptions = False  # of a log on a full disk: writing the next file will fail
    try:
        yield
    except (UsageError, DataError, CheckpointError, Stopped):
        raise
    except OSError as error:
        raise _of_file(error, Path(folder)) or error from error
    except RuntimeError as error:
        for pattern, meaning in _MEANINGS.items():
            if re.search(pattern, str(error)):
                raise UsageError(meaning) from error
        raise


def _of_file(error: OSError, folder: Path) -> UsageError | None:
    """The sentence for a file or folder that cannot be written; None of other errors."""
    path = Path(error.filename or folder)
    reason = os.strerror(error.errno) if error.errno else ''
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        cure = f'make room; {_RESUME}'
    elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        cure = 'allow this user to write there, or give another folder'
    elif error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        cure = 'a file is in the way of a folder: move it away, or give another folder'
    elif error.errno in (errno.EIO, errno.ESTALE):
        cure = f'check the disk; {_RESUME}'
    elif error.errno == errno.ENOENT and folder.absolute() in (
        path.absolute(),
        *path.absolute().parents,
    ):
        cure = f'the folder cannot be made, or was deleted or moved meanwhile; {_RESUME}'
    else:
        return None
    return UsageError(f'{path} cannot be written ({reason}): {cure}.')
