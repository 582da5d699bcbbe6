"""Mask R-CNN with CSWin-T on COCO, 36 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_cswin-t_fpn_ms-crop-3x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/cswin-t.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    '../_base_/default_runtimes/detection.py',
]

# Unpublished: the schedule is Swin's, the stochastic depth that of ImageNet training.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.2),
    neck=dict(in_channels=_base_.widths),
)
