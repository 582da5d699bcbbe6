"""UperNet with LocalVim-T on ADE20K, 160,000 iterations with 512x512 crops.

bash tools/dist_train.sh configs/segmentation/upernet_localvim-t_8xb2-160k_ade20k-512x512.py 8
"""

_base_ = [
    '../_base_/models/upernet.py',
    '../_base_/datasets/ade20k_8xb2.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/default_runtimes/segmentation.py',
]

# A plain backbone: four maps of stride 16, a quarter of the layers apart.
model = dict(
    backbone=dict(
        type='TimmBackbone',
        name='localvim_tiny',
        out_indices=(4, 9, 14, 19),
        drop_path_rate=0.1,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/localvim_tiny.ckpt'),
    ),
    decode_head=dict(in_channels=[192, 192, 192, 192]),
    auxiliary_head=dict(in_channels=192),
)
# The model names what does not decay besides norms: rates and steps of its scans.
optim_wrapper = dict(constructor='TimmParamGroups')
