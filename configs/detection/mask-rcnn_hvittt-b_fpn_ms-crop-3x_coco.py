"""Mask R-CNN with H-ViT3-B on COCO, 36 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_hvittt-b_fpn_ms-crop-3x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/hvittt-b.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    '../_base_/default_runtimes/detection.py',
]

model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.6),
    neck=dict(in_channels=_base_.widths),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, end=1000),
    dict(type='MultiStepLR', end=36, milestones=[27, 33], gamma=0.1),
]
