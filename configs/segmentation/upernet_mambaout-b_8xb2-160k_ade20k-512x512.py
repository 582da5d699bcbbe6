"""UperNet with MambaOut-B on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_mambaout-b_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://huggingface.co/timm/mambaout_base.in1k/resolve/main/model.safetensors
in checkpoints/mambaout_base.safetensors; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (112 M parameters, 1178 GFLOPs at 512x2048): mIoU 49.6, multi-scale with flip 51.0
(`tools/test.py … --tta`); not measured here (Yu and Wang, "MambaOut", CVPR 2025). Of its
recipe the learning rate is known; the rest is Swin's, and stochastic depth that of Mask R-CNN.
"""

_base_ = 'upernet_mambaout-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        name='mambaout_base',
        drop_path_rate=0.6,
        init_cfg=dict(checkpoint='checkpoints/mambaout_base.safetensors'),
    ),
    decode_head=dict(in_channels=[128, 256, 512, 768]),
    auxiliary_head=dict(in_channels=512),
)
