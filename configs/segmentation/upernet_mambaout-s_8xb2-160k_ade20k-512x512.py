"""UperNet with MambaOut-S on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_mambaout-s_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://huggingface.co/timm/mambaout_small.in1k/resolve/main/model.safetensors
in checkpoints/mambaout_small.safetensors; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (76 M parameters, 1032 GFLOPs at 512x2048): mIoU 49.5, multi-scale with flip 50.6
(`tools/test.py … --tta`); not measured here (Yu and Wang, "MambaOut", CVPR 2025). Of its
recipe the learning rate is known; the rest is Swin's, and stochastic depth that of Mask R-CNN.
"""

_base_ = 'upernet_mambaout-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        name='mambaout_small',
        drop_path_rate=0.4,
        init_cfg=dict(checkpoint='checkpoints/mambaout_small.safetensors'),
    ),
)
