"""Mamba2D-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='mamba2d_tiny',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mamba2d_tiny.ckpt'),
)
widths = [64, 128, 320, 512]
