"""PlainMamba-L3 with its adapter from ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='PlainMambaAdapter',
    arch='l3',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/plainmamba_l3.pth'),
)
widths = [448, 448, 448, 448]
