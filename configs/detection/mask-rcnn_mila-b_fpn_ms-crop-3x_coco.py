"""Mask R-CNN with MILA-B on COCO, 36 epochs with multi-scale crops.

    bash tools/dist_train.sh configs/detection/mask-rcnn_mila-b_fpn_ms-crop-3x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from checkpoints/mila_base.pth, the ImageNet weights
(https://cloud.tsinghua.edu.cn/f/91c85c5a1061496d8796/?dl=1; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH).
No figure is published for it; the rate of stochastic depth is that of T and S
(1x, published: box AP 50.5, mask AP 45.0; not measured here).
"""

_base_ = 'mask-rcnn_mila-t_fpn_ms-crop-3x_coco.py'

model = dict(
    backbone=dict(arch='base', init_cfg=dict(checkpoint='checkpoints/mila_base.pth')),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
