"""UperNet with MILA-B on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_mila-b_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from checkpoints/mila_base.pth, the ImageNet weights
(https://cloud.tsinghua.edu.cn/f/91c85c5a1061496d8796/?dl=1; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH).
Published (128 M parameters, 1183 GFLOPs at 512x2048): mIoU 51.9, multi-scale with flip 52.5
(`tools/test.py … --tta`); not measured here (Han et al., NeurIPS 2024).
"""

_base_ = 'upernet_mila-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.5,
        init_cfg=dict(checkpoint='checkpoints/mila_base.pth'),
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
    auxiliary_head=dict(in_channels=384),
)
