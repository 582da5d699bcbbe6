"""SG-Former-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='sgformer_base',
    norm=False,  # its stages end with norms
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/sgformer_base.pth'),
)
widths = [96, 192, 384, 768]
