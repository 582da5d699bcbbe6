"""SegFormer's head with MILA-T on ADE20K, 160,000 iterations with 512x512 crops.

bash tools/dist_train.sh configs/segmentation/segformer_mila-t_8xb2-160k_ade20k-512x512.py 8
"""

_base_ = [
    '../_base_/models/segformer.py',
    '../_base_/backbones/mila-t.py',
    '../_base_/datasets/ade20k_8xb2.py',
    '../_base_/schedules/upernet_160k.py',
    '../_base_/default_runtimes/segmentation.py',
]

# MILA publishes no SegFormer: this is SegFormer's own recipe, the one of UperNet besides the head's
# rate; stochastic depth as in SegFormer.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.1),
    decode_head=dict(in_channels=_base_.widths),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))))
