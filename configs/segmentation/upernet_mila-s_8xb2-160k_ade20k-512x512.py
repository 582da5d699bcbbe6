"""UperNet with MILA-S on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_mila-s_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from checkpoints/mila_small.pth, the ImageNet weights
(https://cloud.tsinghua.edu.cn/f/0e5d0b1409d540aaa80c/?dl=1; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH).
No figure is published for it, nor its rate of stochastic depth: ImageNet's is taken, as the
published config of B does. Not measured here.
"""

_base_ = 'upernet_mila-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        arch='small',
        drop_path_rate=0.3,
        init_cfg=dict(checkpoint='checkpoints/mila_small.pth'),
    ),
)
