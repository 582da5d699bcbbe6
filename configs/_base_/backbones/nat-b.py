"""NAT-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='nat_base',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/nat_base.pth'),
)
widths = [128, 256, 512, 1024]
