"""VMamba-T [s1l8] from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='VMamba',
    arch='tiny',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vmamba_tiny.pth'),
)
widths = [96, 192, 384, 768]
