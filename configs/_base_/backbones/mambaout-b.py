"""MambaOut-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='mambaout_base',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mambaout_base.safetensors'),
)
widths = [128, 256, 512, 768]
