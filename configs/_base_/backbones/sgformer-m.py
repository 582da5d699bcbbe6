"""SG-Former-M from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='sgformer_medium',
    norm=False,  # its stages end with norms
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/sgformer_medium.pth'),
)
widths = [64, 128, 256, 512]
