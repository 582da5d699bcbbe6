"""FocalNet-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='focalnet_tiny_lrf',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/focalnet_tiny_lrf.safetensors'),
)
widths = [96, 192, 384, 768]
