"""RAVLT-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='ravlt_tiny',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ravlt_tiny.pth'),
)
widths = [64, 128, 256, 512]
