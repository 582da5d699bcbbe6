"""H-ViT3-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='hvittt_base',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/hvittt_base.pth'),
)
widths = [96, 192, 448, 640]
