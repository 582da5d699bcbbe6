"""Mask R-CNN with MILA-B on COCO, 12 epochs with multi-scale crops.

    bash tools/dist_train.sh configs/detection/mask-rcnn_mila-b_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from checkpoints/mila_base.pth, the ImageNet weights
(https://cloud.tsinghua.edu.cn/f/91c85c5a1061496d8796/?dl=1; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH).
Published (115 M parameters, 502 GFLOPs at 1280x800):
box AP 50.5 (AP50 72.0, AP75 55.4), mask AP 45.0 (69.3, 48.6);
not measured here (Han et al., NeurIPS 2024).
"""

_base_ = 'mask-rcnn_mila-t_fpn_1x_coco.py'

model = dict(
    backbone=dict(arch='base', init_cfg=dict(checkpoint='checkpoints/mila_base.pth')),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
