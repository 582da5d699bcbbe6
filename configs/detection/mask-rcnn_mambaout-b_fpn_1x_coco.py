"""Mask R-CNN with MambaOut-B on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_mambaout-b_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://huggingface.co/timm/mambaout_base.in1k/resolve/main/model.safetensors
in checkpoints/mambaout_base.safetensors; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (100 M parameters, 495 GFLOPs at 1280x800): box AP 47.4, mask AP 43.0;
not measured here (Yu and Wang, "MambaOut", CVPR 2025).
"""

_base_ = 'mask-rcnn_mambaout-t_fpn_1x_coco.py'

model = dict(
    backbone=dict(
        name='mambaout_base',
        drop_path_rate=0.6,
        init_cfg=dict(checkpoint='checkpoints/mambaout_base.safetensors'),
    ),
    neck=dict(in_channels=[128, 256, 512, 768]),
)
