"""FocalNet-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='focalnet_base_lrf',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/focalnet_base_lrf.safetensors'),
)
widths = [128, 256, 512, 1024]
