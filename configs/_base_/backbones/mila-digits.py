"""The small MILA of all quickstart configs: change its size here and nowhere else."""

arch = dict(embed_dim=32, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8))
backbone = dict(type='MILA', arch=arch)
widths = [arch['embed_dim'] * 2**stage for stage in range(4)]
