"""Mask R-CNN with RAVLT-L on COCO, 36 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_ravlt-l_fpn_ms-crop-3x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/ravlt-l.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    '../_base_/default_runtimes/detection.py',
]

model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.55),
    neck=dict(in_channels=_base_.widths),
)
