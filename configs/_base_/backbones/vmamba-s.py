"""VMamba-S [s2l15] from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='VMamba',
    arch='small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vmamba_small.pth'),
)
widths = [96, 192, 384, 768]
