"""Mamba2D-N from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='mamba2d_nano',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mamba2d_nano.ckpt'),
)
widths = [32, 64, 160, 256]
