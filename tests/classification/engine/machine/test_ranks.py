"""engine/machine/ranks.py: which of how many processes this is, by its environment alone."""

import pytest

from classification.engine.errors import UsageError
from classification.engine.machine.ranks import place

SLURM = dict(SLURM_PROCID='1', SLURM_NTASKS='4')


@pytest.mark.parametrize(
    'env, expected',
    [
        ({}, (0, 1)),
        (dict(RANK='2'), (0, 1)),
        (dict(RANK='2', WORLD_SIZE='3'), (2, 3)),
        (SLURM, (1, 4)),
        (dict(SLURM, RANK='0', WORLD_SIZE='1'), (0, 1)),  # torchrun started by srun
    ],
)
def test_the_place_among_processes(env, expected):
    assert place(env) == expected


@pytest.mark.parametrize(
    'rank, count', [('3', '3'), ('-1', '3'), ('a', '3'), ('0', '0'), ('0', '')]
)
def test_places_that_are_not_possible(rank, count):
    with pytest.raises(UsageError, match=f'RANK is {rank} and WORLD_SIZE is {count}: give numbers'):
        place(dict(RANK=rank, WORLD_SIZE=count))
