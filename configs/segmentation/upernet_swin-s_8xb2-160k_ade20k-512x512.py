"""UperNet with Swin-S on ADE20K, 160,000 iterations with 512x512 crops.

bash tools/dist_train.sh configs/segmentation/upernet_swin-s_8xb2-160k_ade20k-512x512.py 8
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
