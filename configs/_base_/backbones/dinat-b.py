"""DiNAT-B from its ImageNet weights, and the widths of its four maps."""

backbone = dict(
    type='TimmBackbone',
    name='dinat_base',
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/dinat_base.pth'),
)
widths = [128, 256, 512, 1024]
