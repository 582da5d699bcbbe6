"""tools/launch.py: where processes meet, and numbers of processes that cannot be."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT


def test_where_processes_meet(script):
    rendezvous = script('launch').rendezvous
    assert rendezvous({}) == ['--standalone', '--local-addr=127.0.0.1']
    assert rendezvous({'PORT': '29501'}) == ['--master-addr=127.0.0.1', '--master-port=29501']
    nodes = {'NNODES': '2', 'NODE_RANK': '1', 'MASTER_ADDR': 'host'}
    assert rendezvous(nodes) == [
        '--nnodes=2',
        '--node-rank=1',
        '--master-addr=host',
        '--master-port=29500',
        '--rdzv-conf=timeout=600',
    ]
    assert rendezvous({**nodes, 'WAIT': '60'})[-1] == '--rdzv-conf=timeout=60'
    with pytest.raises(SystemExit, match='NODE_RANK is not set'):
        rendezvous({'NNODES': '2', 'MASTER_ADDR': 'host'})
    with pytest.raises(SystemExit, match='number of processes is x'):
        script('launch').main('x', 'train.py')


@pytest.mark.parametrize(
    'variables, said',
    [
        (dict(NODE_RANK='2'), 'NODE_RANK is 2: give 0 to 1'),
        (dict(NODE_RANK='-1'), 'NODE_RANK is -1: give a number'),
        (dict(NNODES='two'), 'NNODES is two'),
        (dict(WAIT='1h'), 'WAIT is 1h'),
    ],
)
def test_numbers_that_cannot_be(variables, said, script):
    nodes = {'NNODES': '2', 'NODE_RANK': '0', 'MASTER_ADDR': 'host', **variables}
    with pytest.raises(SystemExit, match=said):
        script('launch').rendezvous(nodes)


@pytest.mark.parametrize('rank', [0, 1])
def test_a_machine_that_never_comes(rank, free_port):
    code, err = launch(NNODES='2', NODE_RANK=str(rank), PORT=free_port, WAIT='2')
    assert code == 1 and f'did not meet at 127.0.0.1:{free_port}: start all' in err
    assert err.strip().count('\n') == 0, err


def test_a_port_that_is_taken():
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = str(taken.getsockname()[1])
        code, err = launch(PORT=port)
    assert code == 1 and f'Port {port} of this machine is taken' in err
    assert err.strip().count('\n') == 0, err


@pytest.fixture
def free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return str(server.getsockname()[1])


def launch(**variables):
    """(exit code, stderr) of tools/dist_train.sh with one process, which does not come to run."""
    python = Path(sys.executable).parent
    env = {**os.environ, 'PATH': f'{python}:{os.environ["PATH"]}', 'MASTER_ADDR': '127.0.0.1'}
    done = subprocess.run(
        ['bash', ROOT / 'tools/dist_train.sh', 'config.py', '1'],
        env=env | variables,
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.returncode, done.stderr
