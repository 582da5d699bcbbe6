"""UperNet with Swin-B on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_swin-b_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. The backbone is mmseg's, and so is the loading of the ImageNet
weights, which are downloaded; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (121 M parameters, 1188 GFLOPs at 512x2048): mIoU 48.1, multi-scale with flip 49.7
(`tools/test.py … --tta`); not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = 'upernet_swin-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        embed_dims=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
        init_cfg=dict(
            checkpoint=f'{_base_.storage}/swin_base_patch4_window7_224_20220317-e9b98025.pth'
        ),
    ),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
    auxiliary_head=dict(in_channels=512),
)
