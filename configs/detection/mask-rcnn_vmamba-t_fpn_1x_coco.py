"""Mask R-CNN with VMamba-T [s1l8] on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_vmamba-t_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://github.com/MzeroMiko/VMamba/releases/download/%23v2cls/vssm1_tiny_0230s_ckpt_epoch_264.pth
in checkpoints/vmamba_tiny.pth; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (50 M parameters, 271 GFLOPs at 1280x800):
box AP 47.3 (AP50 69.3, AP75 52.0), mask AP 42.7 (66.4, 45.9);
not measured here (Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = [
    '../_base_/models/mask-rcnn_mila_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/mask-rcnn_swin-1x.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        type='VMamba',
        arch='tiny',
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vmamba_tiny.pth'),
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
# The model names what does not decay besides norms: rates and steps of its scans.
optim_wrapper = dict(constructor='TimmParamGroups')
