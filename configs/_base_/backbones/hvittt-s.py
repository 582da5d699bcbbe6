"""H-ViT3-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='hvittt_small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/hvittt_small.pth'),
)
widths = [64, 128, 320, 512]
