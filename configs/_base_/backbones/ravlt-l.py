"""RAVLT-L from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='ravlt_large',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/ravlt_large.pth'),
)
widths = [96, 192, 448, 640]
