"""The rank of this process, without PyTorch."""

import os
from collections.abc import Mapping

from ..errors import UsageError


def local_rank() -> int:
    """The rank of this process on its machine, also before the process group exists."""
    return int(os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID', 0)))


def global_rank() -> int:
    """The rank of this process among all of the run, also before the process group exists."""
    return int(os.environ.get('RANK', 0))


def place(env: Mapping[str, str]) -> tuple[int, int]:
    """(rank, number of processes) that work is dealt over, by torchrun's variables or Slurm's.

    Raises:
        UsageError: the variables contradict themselves.
    """
    for rank, count in (('RANK', 'WORLD_SIZE'), ('SLURM_PROCID', 'SLURM_NTASKS')):
        if rank in env and count in env:
            given = env[rank], env[count]
            if not all(map(str.isdecimal, given)) or int(given[0]) >= int(given[1]):
                raise UsageError(
                    f'{rank} is {given[0][:20]} and {count} is {given[1][:20]}: give numbers, the '
                    'first from 0 and below the second.'
                )
            return int(given[0]), int(given[1])
    return 0, 1
