"""LocalVMamba-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='localvmamba_small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/localvmamba_small.ckpt'),
)
widths = [96, 192, 384, 768]
