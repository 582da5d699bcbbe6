"""engine/machine/slurm.py: srun's variables as those of torchrun."""

from classification.engine.machine.slurm import join_slurm


def test_rank_of_a_process_under_slurm():
    env = dict(
        SLURM_PROCID='9',
        SLURM_LOCALID='1',
        SLURM_NTASKS='16',
        SLURM_JOB_ID='40071',
        MASTER_ADDR='node1',
    )
    join_slurm(env)
    assert (env['RANK'], env['LOCAL_RANK'], env['WORLD_SIZE']) == ('9', '1', '16')
    assert (env['MASTER_ADDR'], env['MASTER_PORT']) == ('node1', '10071')
