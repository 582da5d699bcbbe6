"""DiNAT-Mini from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='dinat_mini',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/dinat_mini.pth'),
)
widths = [64, 128, 256, 512]
