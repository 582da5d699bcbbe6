"""Mask R-CNN with VMamba-B [s2l15] on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_vmamba-b_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://github.com/MzeroMiko/VMamba/releases/download/%23v2cls/vssm_base_0229_ckpt_epoch_237.pth
in checkpoints/vmamba_base.pth; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (108 M parameters, 485 GFLOPs at 1280x800):
box AP 49.2 (AP50 71.4, AP75 54.0), mask AP 44.1 (68.3, 47.7);
not measured here (Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = 'mask-rcnn_vmamba-t_fpn_1x_coco.py'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.6,
        init_cfg=dict(checkpoint='checkpoints/vmamba_base.pth'),
    ),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
