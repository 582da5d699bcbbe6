"""CSWin-S from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='cswin_small',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/cswin_small.pth'),
)
widths = [64, 128, 256, 512]
