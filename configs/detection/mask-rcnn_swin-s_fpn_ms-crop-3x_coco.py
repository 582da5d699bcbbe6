"""Mask R-CNN with Swin-S on COCO, 36 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_swin-s_fpn_ms-crop-3x_coco.py 8
"""

_base_ = 'mask-rcnn_swin-t_fpn_ms-crop-3x_coco.py'

storage = 'https://github.com/SwinTransformer/storage/releases/download/v1.0.0'

model = dict(
    backbone=dict(
        depths=[2, 2, 18, 2],
        init_cfg=dict(checkpoint=f'{storage}/swin_small_patch4_window7_224.pth'),
    ),
)
