"""Mask R-CNN with FocalNet-T on COCO, 12 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_focalnet-t_fpn_1x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/focalnet-t.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_1x.py',
    '../_base_/default_runtimes/detection.py',
]

# The published detectors have kernels of 9 to 13, where the ImageNet weights have 3 to 7.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.1),
    neck=dict(in_channels=_base_.widths),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, end=500),
    dict(type='MultiStepLR', end=12, milestones=[9, 11], gamma=0.1),
]
