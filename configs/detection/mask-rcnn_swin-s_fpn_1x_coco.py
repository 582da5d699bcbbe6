"""Mask R-CNN with Swin-S on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_swin-s_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. The backbone is mmdet's, and so is the loading of the ImageNet
weights, which are downloaded; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (69 M parameters, 354 GFLOPs at 1280x800):
box AP 44.8 (AP50 66.6, AP75 48.9), mask AP 40.9 (63.4, 44.2);
not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = 'mask-rcnn_swin-t_fpn_1x_coco.py'

storage = 'https://github.com/SwinTransformer/storage/releases/download/v1.0.0'

model = dict(
    backbone=dict(
        depths=[2, 2, 18, 2],
        init_cfg=dict(checkpoint=f'{storage}/swin_small_patch4_window7_224.pth'),
    ),
)
