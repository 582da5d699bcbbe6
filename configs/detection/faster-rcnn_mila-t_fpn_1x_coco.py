"""Faster R-CNN with MILA-T on COCO, 12 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/faster-rcnn_mila-t_fpn_1x_coco.py 8
"""

_base_ = [
    '../_base_/models/faster-rcnn.py',
    '../_base_/backbones/mila-t.py',
    '../_base_/datasets/coco_detection_ms-crop.py',
    '../_base_/schedules/mask-rcnn_1x.py',
    '../_base_/default_runtimes/detection.py',
]

# MILA publishes no Faster R-CNN: this is its recipe for Mask R-CNN.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.1),
    neck=dict(in_channels=_base_.widths),
)
