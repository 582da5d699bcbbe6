"""UperNet with VMamba-T [s1l8] on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_vmamba-t_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://github.com/MzeroMiko/VMamba/releases/download/%23v2cls/vssm1_tiny_0230s_ckpt_epoch_264.pth
in checkpoints/vmamba_tiny.pth; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (62 M parameters, 949 GFLOPs at 512x2048): mIoU 47.9, multi-scale with flip 48.8
(`tools/test.py … --tta`); not measured here (Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = [
    '../_base_/models/upernet_mila.py',
    '../_base_/datasets/ade20k_8xb2.py',
    '../_base_/schedules/upernet_160k.py',
    'mmseg::_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        type='VMamba',
        arch='tiny',
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/vmamba_tiny.pth'),
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
    auxiliary_head=dict(in_channels=384),
)
# The model names what does not decay besides norms: rates and steps of its scans.
optim_wrapper = dict(constructor='TimmParamGroups')
