"""ConvNeXt-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='convnext_base',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/convnext_base.safetensors'),
)
widths = [128, 256, 512, 1024]
