"""PVTv2-B2 from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='pvt_v2_b2',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/pvt_v2_b2.safetensors'),
)
widths = [64, 128, 320, 512]
