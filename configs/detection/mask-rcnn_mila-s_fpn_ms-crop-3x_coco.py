"""Mask R-CNN with MILA-S on COCO, 36 epochs with multi-scale crops.

    bash tools/dist_train.sh configs/detection/mask-rcnn_mila-s_fpn_ms-crop-3x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from checkpoints/mila_small.pth, the ImageNet weights
(https://cloud.tsinghua.edu.cn/f/0e5d0b1409d540aaa80c/?dl=1; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH).
Published (63 M parameters, 319 GFLOPs at 1280x800):
box AP 50.5 (AP50 71.8, AP75 55.2), mask AP 44.9 (69.1, 48.2);
not measured here (Han et al., NeurIPS 2024).
"""

_base_ = 'mask-rcnn_mila-t_fpn_ms-crop-3x_coco.py'

model = dict(
    backbone=dict(arch='small', init_cfg=dict(checkpoint='checkpoints/mila_small.pth')),
)
