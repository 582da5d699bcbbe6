"""VMamba-B [s2l15] from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='VMamba',
    arch='base',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vmamba_base.pth'),
)
widths = [128, 256, 512, 1024]
