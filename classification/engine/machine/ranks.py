"""The rank of this process, without PyTorch."""

import os


def local_rank() -> int:
    """The rank of this process on its machine, also before the process group exists."""
    return int(os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID', 0)))


def global_rank() -> int:
    """The rank of this process among all of the run, also before the process group exists."""
    return int(os.environ.get('RANK', 0))
