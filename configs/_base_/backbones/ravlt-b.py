"""RAVLT-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='ravlt_base',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ravlt_base.pth'),
)
widths = [96, 192, 384, 512]
