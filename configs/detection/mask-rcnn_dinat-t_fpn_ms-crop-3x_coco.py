"""Mask R-CNN with DiNAT-T on COCO, 36 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_dinat-t_fpn_ms-crop-3x_coco.py 8
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/dinat-t.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    '../_base_/default_runtimes/detection.py',
]

# The dilations are not those of ImageNet: its maps are larger here.
model = dict(
    backbone=dict(
        _base_.backbone,
        drop_path_rate=0.2,
        dilations=[[1, 28, 1], [1, 7, 1, 14], [1, 3, 1, 5, 1, 7] * 3, [1, 3, 1, 3, 1]],
    ),
    neck=dict(in_channels=_base_.widths),
)
# The model names what does not decay besides norms: the biases of positions.
optim_wrapper = dict(constructor='TimmParamGroups')
