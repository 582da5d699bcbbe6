"""MILA-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='MILA',
    arch='base',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mila_base.pth'),
)
widths = [96, 192, 384, 768]
