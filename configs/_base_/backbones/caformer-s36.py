"""CAFormer-S36 from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='caformer_s36',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/caformer_s36.safetensors'),
)
widths = [64, 128, 320, 512]
