"""UperNet with MILA-T on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_mila-t_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from checkpoints/mila_tiny.pth, the ImageNet weights
(https://cloud.tsinghua.edu.cn/f/7a19712877cb4242889c/?dl=1; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH).
No figure is published for it, nor its rate of stochastic depth: ImageNet's is taken, as the
published config of B does. Not measured here.
"""

_base_ = [
    '../_base_/models/upernet_mila.py',
    '../_base_/datasets/ade20k_8xb2.py',
    '../_base_/schedules/upernet_160k.py',
    'mmseg::_base_/default_runtime.py',
]
