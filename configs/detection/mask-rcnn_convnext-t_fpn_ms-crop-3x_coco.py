"""Mask R-CNN with ConvNeXt-T on COCO, 36 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_convnext-t_fpn_ms-crop-3x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/convnext-t.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    '../_base_/default_runtimes/detection.py',
]

# Stochastic depth as in mmdet's own config.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.4),
    neck=dict(in_channels=_base_.widths),
)
