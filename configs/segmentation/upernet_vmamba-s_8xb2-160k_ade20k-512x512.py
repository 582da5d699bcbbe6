"""UperNet with VMamba-S [s2l15] on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_vmamba-s_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://github.com/MzeroMiko/VMamba/releases/download/%23v2cls/vssm_small_0229_ckpt_epoch_222.pth
in checkpoints/vmamba_small.pth; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (82 M parameters, 1028 GFLOPs at 512x2048): mIoU 50.6, multi-scale with flip 51.2
(`tools/test.py … --tta`); not measured here (Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = 'upernet_vmamba-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        arch='small',
        drop_path_rate=0.3,
        init_cfg=dict(checkpoint='checkpoints/vmamba_small.pth'),
    ),
)
