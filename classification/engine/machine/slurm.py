"""Joining the processes of a Slurm job."""

import subprocess
from collections.abc import MutableMapping

from ..errors import UsageError


def join_slurm(env: MutableMapping[str, str]) -> None:
    """Translate srun's variables in `env` to torchrun's, so that one set-up serves both.

    MASTER_ADDR and PORT take precedence over what Slurm says.

    Raises:
        UsageError: not under srun, or the first node cannot be found.
    """
    if 'SLURM_PROCID' not in env:
        raise UsageError('--launcher slurm is for srun: use tools/slurm_train.sh or _test.sh.')
    for name, source in (('RANK', 'PROCID'), ('LOCAL_RANK', 'LOCALID'), ('WORLD_SIZE', 'NTASKS')):
        env[name] = env[f'SLURM_{source}']
    # Jobs that share a node need ports of their own.
    env['MASTER_PORT'] = env.get('PORT') or str(10000 + int(env['SLURM_JOB_ID']) % 20000)
    if 'MASTER_ADDR' not in env:
        command = ['scontrol', 'show', 'hostnames', env['SLURM_JOB_NODELIST']]
        try:
            nodes = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(
                f'The first node is not to be found ({error}): set MASTER_ADDR to its name.'
            ) from None
        env['MASTER_ADDR'] = nodes.split()[0]
