"""SG-Former-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='sgformer_small',
    norm=False,  # its stages end with norms
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/sgformer_small.pth'),
)
widths = [64, 128, 256, 512]
