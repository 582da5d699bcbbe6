"""UperNet with PlainMamba-L2 on ADE20K, 160,000 iterations with 512x512 crops.

bash tools/dist_train.sh configs/segmentation/upernet_plainmamba-l2_8xb2-160k_ade20k-512x512.py 8
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
        name='plainmamba_l2',
        out_indices=(5, 11, 17, 23),
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/plainmamba_l2.pth'),
    ),
    decode_head=dict(in_channels=[384, 384, 384, 384]),
    auxiliary_head=dict(in_channels=384),
)
# The model names what does not decay besides norms: rates and steps of its scans.
optim_wrapper = dict(constructor='TimmParamGroups')
