"""ConvNeXt-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='convnext_small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/convnext_small.safetensors'),
)
widths = [96, 192, 384, 768]
