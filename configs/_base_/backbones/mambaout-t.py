"""MambaOut-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='mambaout_tiny',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mambaout_tiny.safetensors'),
)
widths = [96, 192, 384, 576]
