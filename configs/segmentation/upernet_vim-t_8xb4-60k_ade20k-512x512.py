"""UperNet with Vim-T on ADE20K, 60,000 iterations with 512x512 crops.

bash tools/dist_train.sh configs/segmentation/upernet_vim-t_8xb4-60k_ade20k-512x512.py 8
"""

_base_ = [
    '../_base_/models/upernet.py',
    '../_base_/datasets/ade20k_8xb2.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/default_runtimes/segmentation.py',
]

# A plain backbone: the neck makes a pyramid of four maps of stride 16.
model = dict(
    backbone=dict(
        type='TimmBackbone',
        name='vim_tiny',
        out_indices=(5, 11, 17, 23),
        norm=False,
        class_token=False,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vim_tiny.pth'),
    ),
    neck=dict(type='Feature2Pyramid', embed_dim=192, rescales=[4, 2, 1, 0.5]),
    decode_head=dict(in_channels=[192, 192, 192, 192]),
    auxiliary_head=dict(in_channels=192),
)
train_dataloader = dict(batch_size=4)
# The model names what does not decay besides norms: rates and steps of its scans.
optim_wrapper = dict(
    constructor='TimmParamGroups',
    optimizer=dict(lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(layer_decay=0.92),
)
train_cfg = dict(max_iters=60000)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, end=1500),
    dict(type='PolyLR', eta_min=0.0, power=1.0, by_epoch=False, begin=1500, end=60000),
]
