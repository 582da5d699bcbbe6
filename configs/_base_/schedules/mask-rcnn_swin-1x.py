"""Swin's 12 epochs of AdamW: as mask-rcnn_1x.py, but 1000 iterations of warm-up."""

_base_ = 'mask-rcnn_1x.py'

param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, end=1000),
    dict(type='MultiStepLR', end=12, milestones=[8, 11], gamma=0.1),
]
