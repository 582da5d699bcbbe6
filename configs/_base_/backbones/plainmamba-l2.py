"""PlainMamba-L2 with its adapter from ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='PlainMambaAdapter',
    arch='l2',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/plainmamba_l2.pth'),
)
widths = [384, 384, 384, 384]
