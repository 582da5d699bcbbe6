"""NAT-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='nat_small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/nat_small.pth'),
)
widths = [96, 192, 384, 768]
