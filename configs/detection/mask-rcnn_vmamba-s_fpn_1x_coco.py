"""Mask R-CNN with VMamba-S [s2l15] on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_vmamba-s_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://github.com/MzeroMiko/VMamba/releases/download/%23v2cls/vssm_small_0229_ckpt_epoch_222.pth
in checkpoints/vmamba_small.pth; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (70 M parameters, 349 GFLOPs at 1280x800; 384 in later tables, see docs/comparison.md):
box AP 48.7 (AP50 70.0, AP75 53.4), mask AP 43.7 (67.3, 47.0);
not measured here (Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = 'mask-rcnn_vmamba-t_fpn_1x_coco.py'

model = dict(
    backbone=dict(
        arch='small',
        init_cfg=dict(checkpoint='checkpoints/vmamba_small.pth'),
    ),
)
