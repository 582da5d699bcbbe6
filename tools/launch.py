"""Run a tool in N processes: what tools/dist_train.sh and tools/dist_test.sh share.

torchrun starts them; this adds where they meet, their threads, and a failure in one line.
"""

import logging
import os
import sys
from collections.abc import Mapping

from torch.distributed import DistError
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import RendezvousError
from torch.distributed.run import parse_args, run


def rendezvous(env: Mapping[str, str]) -> list[str]:
    """Options of torchrun for where the processes meet, from the usual variables.

    NNODES, NODE_RANK, MASTER_ADDR and PORT; on one machine any free port unless PORT is set. WAIT
    is how many seconds the machines wait for each other.
    """
    nodes, port = env.get('NNODES', '1'), env.get('PORT')
    if nodes != '1':
        for name in ('NODE_RANK', 'MASTER_ADDR'):
            if name not in env:
                sys.exit(f'error: {name} is not set: {nodes} machines (NNODES) need it on each.')
        rank, wait = env['NODE_RANK'], env.get('WAIT', '600')
        for name, value in (('NNODES', nodes), ('NODE_RANK', rank), ('WAIT', wait)):
            if not value.isdigit():
                sys.exit(f'error: {name} is {value}: give a number.')
        if int(rank) >= int(nodes):
            sys.exit(
                f'error: NODE_RANK is {rank}: give 0 to {int(nodes) - 1}, another on each machine.'
            )
        print(
            f'Machine {rank} of {nodes} waits for the others at {env["MASTER_ADDR"]}:'
            f'{port or 29500}, for at most {wait} seconds (WAIT).',
            flush=True,
        )
        return [
            f'--nnodes={nodes}',
            f'--node-rank={rank}',
            f'--master-addr={env["MASTER_ADDR"]}',
            f'--master-port={port or 29500}',
            f'--rdzv-conf=timeout={wait}',
        ]
    if port:
        return ['--master-addr=127.0.0.1', f'--master-port={port}']
    return ['--standalone', '--local-addr=127.0.0.1']


def main(count: str, script: str, *arguments: str) -> None:
    if not count.isdigit() or int(count) < 1:
        sys.exit(f'error: the number of processes is {count}: give 1 or more.')
    # More threads than cores are far slower; torchrun's own default is one.
    threads = max(1, len(os.sched_getaffinity(0)) // int(count))
    for library in ('OMP', 'MKL'):
        os.environ.setdefault(f'{library}_NUM_THREADS', str(threads))
    logging.getLogger('torch.distributed.elastic').setLevel(logging.CRITICAL)
    options = [*rendezvous(os.environ), f'--nproc-per-node={count}']
    try:
        run(parse_args([*options, script, *arguments, '--launcher=pytorch']))
    except SignalException as stop:  # by then it was passed on, and the processes have ended
        sys.exit(f'Stopped by {stop.sigval.name}; what the processes said is above.')
    except (DistError, RendezvousError) as error:
        address, port = (os.environ.get(name) for name in ('MASTER_ADDR', 'PORT'))
        if 'EADDRINUSE' in str(error):
            sys.exit(f'error: Port {port or 29500} of this machine is taken: set PORT to another.')
        sys.exit(
            f'error: The machines did not meet at {address}:{port or 29500}: start all of them '
            'with the same NNODES, MASTER_ADDR and PORT, each with a NODE_RANK of its own.'
        )
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        how = failure.signal_name() if failure.exitcode < 0 else f'exit code {failure.exitcode}'
        sys.exit(f'Process {rank} of {count} ended first, with {how}; what it said is above.')


if __name__ == '__main__':
    main(*sys.argv[1:])
