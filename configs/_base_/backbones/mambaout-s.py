"""MambaOut-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='mambaout_small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mambaout_small.safetensors'),
)
widths = [96, 192, 384, 576]
