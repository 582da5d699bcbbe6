"""Mask R-CNN and FPN on MILA-T; other sizes set `arch` and, where they differ, the widths."""

_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

custom_imports = dict(imports=['detection'], allow_failed_imports=False)
model = dict(
    backbone=dict(
        _delete_=True,
        type='MILA',
        arch='tiny',
        drop_path_rate=0.1,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mila_tiny.pth'),
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
