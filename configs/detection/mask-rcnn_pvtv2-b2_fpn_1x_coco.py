"""Mask R-CNN with PVTv2-B2 on COCO, 12 epochs.

bash tools/dist_train.sh configs/detection/mask-rcnn_pvtv2-b2_fpn_1x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/pvtv2-b2.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/mask-rcnn_1x.py',
    '../_base_/default_runtimes/detection.py',
]

# The norms decay in the published recipe, whose stochastic depth is not known.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.1),
    neck=dict(in_channels=_base_.widths),
)
optim_wrapper = dict(optimizer=dict(lr=2e-4, weight_decay=1e-4))
