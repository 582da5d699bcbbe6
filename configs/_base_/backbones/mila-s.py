"""MILA-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='MILA',
    arch='small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mila_small.pth'),
)
widths = [64, 128, 256, 512]
