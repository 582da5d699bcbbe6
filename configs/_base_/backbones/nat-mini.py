"""NAT-Mini from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='nat_mini',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/nat_mini.pth'),
)
widths = [64, 128, 256, 512]
