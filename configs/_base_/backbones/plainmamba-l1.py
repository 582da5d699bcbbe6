"""PlainMamba-L1 with its adapter from ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='PlainMambaAdapter',
    arch='l1',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/plainmamba_l1.pth'),
)
widths = [192, 192, 192, 192]
