"""Mask R-CNN with H-ViT3-S on COCO, 12 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_hvittt-s_fpn_1x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/hvittt-s.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_swin-1x.py',
    '../_base_/default_runtimes/detection.py',
]

model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.1),
    neck=dict(in_channels=_base_.widths),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
