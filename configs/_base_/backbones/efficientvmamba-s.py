"""EfficientVMamba-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='efficientvmamba_small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/efficientvmamba_small.ckpt'),
)
widths = [64, 128, 256, 512]
