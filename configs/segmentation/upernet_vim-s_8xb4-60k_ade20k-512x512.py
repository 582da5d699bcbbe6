"""UperNet with Vim-S on ADE20K, 60,000 iterations with 512x512 crops.

bash tools/dist_train.sh configs/segmentation/upernet_vim-s_8xb4-60k_ade20k-512x512.py 8
"""

_base_ = 'upernet_vim-t_8xb4-60k_ade20k-512x512.py'

# Unpublished: the stochastic depth of ImageNet training.
model = dict(
    backbone=dict(
        name='vim_small',
        drop_path_rate=0.05,
        init_cfg=dict(checkpoint='checkpoints/vim_small.pth'),
    ),
    neck=dict(embed_dim=384),
    decode_head=dict(in_channels=[384, 384, 384, 384]),
    auxiliary_head=dict(in_channels=384),
)
