"""TransNeXt-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='transnext_tiny',
    norm=False,  # its stages end with norms
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/transnext_tiny.pth'),
)
widths = [72, 144, 288, 576]
