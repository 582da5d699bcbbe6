"""Cascade Mask R-CNN with MILA-T on COCO, 36 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/cascade-mask-rcnn_mila-t_fpn_ms-crop-3x_coco.py 8
"""

_base_ = [
    '../_base_/models/cascade-mask-rcnn.py',
    '../_base_/backbones/mila-t.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    '../_base_/default_runtimes/detection.py',
]

# MILA publishes no Cascade Mask R-CNN: this is its recipe for Mask R-CNN.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.3),
    neck=dict(in_channels=_base_.widths),
)
