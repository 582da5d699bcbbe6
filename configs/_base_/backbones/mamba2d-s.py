"""Mamba2D-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='mamba2d_small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mamba2d_small.ckpt'),
)
widths = [96, 192, 384, 576]
