"""ConvNeXt-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='convnext_tiny',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/convnext_tiny.safetensors'),
)
widths = [96, 192, 384, 768]
