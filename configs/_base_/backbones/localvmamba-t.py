"""LocalVMamba-T from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='localvmamba_tiny',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/localvmamba_tiny.ckpt'),
)
widths = [96, 192, 384, 768]
