"""tools/launch.py: where processes meet, and numbers of processes that cannot be."""

import pytest


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
    ]
    with pytest.raises(SystemExit, match='NODE_RANK is not set'):
        rendezvous({'NNODES': '2', 'MASTER_ADDR': 'host'})
    with pytest.raises(SystemExit, match='number of processes is x'):
        script('launch').main('x', 'train.py')
