"""CAFormer-M36 from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='caformer_m36',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/caformer_m36.safetensors'),
)
widths = [96, 192, 384, 576]
