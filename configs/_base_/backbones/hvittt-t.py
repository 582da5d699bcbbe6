"""H-ViT3-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='hvittt_tiny',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/hvittt_tiny.pth'),
)
widths = [64, 128, 320, 512]
