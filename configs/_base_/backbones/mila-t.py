"""MILA-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='MILA',
    arch='tiny',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mila_tiny.pth'),
)
widths = [64, 128, 256, 512]
