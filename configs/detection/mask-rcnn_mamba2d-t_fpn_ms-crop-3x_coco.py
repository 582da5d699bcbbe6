"""Mask R-CNN with Mamba2D-T on COCO, 36 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_mamba2d-t_fpn_ms-crop-3x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/mamba2d-t.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    '../_base_/default_runtimes/detection.py',
]

model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.175),
    neck=dict(in_channels=_base_.widths, norm_cfg=dict(type='GN', num_groups=32)),
)
# The model names what does not decay besides norms: rates and steps of its scans.
optim_wrapper = dict(constructor='TimmParamGroups', clip_grad=dict(max_norm=1.0))
