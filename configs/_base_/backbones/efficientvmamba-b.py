"""EfficientVMamba-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='efficientvmamba_base',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/efficientvmamba_base.ckpt'),
)
widths = [96, 192, 384, 768]
