"""Mask R-CNN with Swin-B on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_swin-b_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. The backbone is mmdet's, and so is the loading of the ImageNet
weights, which are downloaded; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (107 M parameters, 496 GFLOPs at 1280x800):
box AP 46.9, mask AP 42.3;
not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = 'mask-rcnn_swin-t_fpn_1x_coco.py'

storage = 'https://github.com/SwinTransformer/storage/releases/download/v1.0.0'

model = dict(
    backbone=dict(
        embed_dims=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
        init_cfg=dict(checkpoint=f'{storage}/swin_base_patch4_window7_224.pth'),
    ),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
