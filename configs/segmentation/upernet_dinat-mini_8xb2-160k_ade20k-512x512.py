"""UperNet with DiNAT-Mini on ADE20K, 160,000 iterations with 512x512 crops.

bash tools/dist_train.sh configs/segmentation/upernet_dinat-mini_8xb2-160k_ade20k-512x512.py 8
"""

_base_ = [
    '../_base_/models/upernet.py',
    '../_base_/backbones/dinat-mini.py',
    '../_base_/datasets/ade20k_8xb2.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/default_runtimes/segmentation.py',
]

# The dilations are not those of ImageNet: its maps are larger here.
model = dict(
    backbone=dict(
        _base_.backbone,
        drop_path_rate=0.2,
        dilations=[[1, 16, 1], [1, 4, 1, 8], [1, 2, 1, 3, 1, 4], [1, 2, 1, 2, 1]],
    ),
    decode_head=dict(in_channels=_base_.widths),
    auxiliary_head=dict(in_channels=_base_.widths[2]),
)
# The model names what does not decay besides norms: the biases of positions.
optim_wrapper = dict(constructor='TimmParamGroups')
