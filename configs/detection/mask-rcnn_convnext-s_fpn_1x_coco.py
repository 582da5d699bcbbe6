"""Mask R-CNN with ConvNeXt-S on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_convnext-s_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://huggingface.co/timm/convnext_small.fb_in1k/resolve/main/model.safetensors
in checkpoints/convnext_small.safetensors; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (70 M parameters, 348 GFLOPs at 1280x800): box AP 45.4, mask AP 41.8;
not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024). The stochastic depth is
that of mmdet's 3x config.
"""

_base_ = 'mask-rcnn_convnext-t_fpn_1x_coco.py'

model = dict(
    backbone=dict(
        name='convnext_small',
        init_cfg=dict(checkpoint='checkpoints/convnext_small.safetensors'),
    ),
)
