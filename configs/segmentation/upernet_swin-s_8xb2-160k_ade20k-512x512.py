"""UperNet with Swin-S on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_swin-s_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. The backbone is mmseg's, and so is the loading of the ImageNet
weights, which are downloaded; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (81 M parameters, 1039 GFLOPs at 512x2048): mIoU 47.6, multi-scale with flip 49.5
(`tools/test.py … --tta`); not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = 'upernet_swin-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        depths=[2, 2, 18, 2],
        init_cfg=dict(
            checkpoint=f'{_base_.storage}/swin_small_patch4_window7_224_20220317-7ba6d6dd.pth'
        ),
    ),
)
