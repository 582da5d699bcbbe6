"""EfficientVMamba-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='efficientvmamba_tiny',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/efficientvmamba_tiny.ckpt'),
)
widths = [48, 96, 192, 384]
