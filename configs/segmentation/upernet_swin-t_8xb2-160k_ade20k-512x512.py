"""UperNet with Swin-T on ADE20K, 160,000 iterations with 512x512 crops.

bash tools/dist_train.sh configs/segmentation/upernet_swin-t_8xb2-160k_ade20k-512x512.py 8
"""

_base_ = [
    '../_base_/models/upernet_swin.py',
    '../_base_/datasets/ade20k_8xb2.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/default_runtimes/segmentation.py',
]

# The backbone is mmsegmentation's, and so is the loading of its weights, which are downloaded.
storage = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin'

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint=f'{storage}/swin_tiny_patch4_window7_224_20220317-1cdeb081.pth',
        )
    ),
)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(relative_position_bias_table=dict(decay_mult=0.0)))
)
