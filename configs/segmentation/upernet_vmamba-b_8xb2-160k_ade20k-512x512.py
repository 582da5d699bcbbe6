"""UperNet with VMamba-B [s2l15] on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_vmamba-b_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://github.com/MzeroMiko/VMamba/releases/download/%23v2cls/vssm_base_0229_ckpt_epoch_237.pth
in checkpoints/vmamba_base.pth; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (122 M parameters, 1170 GFLOPs at 512x2048): mIoU 51.0, multi-scale with flip 51.6
(`tools/test.py … --tta`); not measured here (Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = 'upernet_vmamba-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.6,
        init_cfg=dict(checkpoint='checkpoints/vmamba_base.pth'),
    ),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
    auxiliary_head=dict(in_channels=512),
)
