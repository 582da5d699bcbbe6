"""Mask R-CNN with SG-Former-M on COCO, 12 epochs by Swin's recipe.

bash tools/dist_train.sh configs/detection/mask-rcnn_sgformer-m_fpn_1x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/sgformer-m.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/mask-rcnn_swin-1x.py',
    '../_base_/default_runtimes/detection.py',
]

# Unpublished: the schedule is Swin's, the stochastic depth that of ImageNet training.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.2),
    neck=dict(in_channels=_base_.widths),
)
# The model names what does not decay besides norms: its positions.
optim_wrapper = dict(constructor='TimmParamGroups')
