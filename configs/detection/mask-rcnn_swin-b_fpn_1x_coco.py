"""Mask R-CNN with Swin-B on COCO, 12 epochs by Swin's recipe.

bash tools/dist_train.sh configs/detection/mask-rcnn_swin-b_fpn_1x_coco.py 8
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
