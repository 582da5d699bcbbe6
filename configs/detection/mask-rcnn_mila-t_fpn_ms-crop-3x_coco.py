"""Mask R-CNN with MILA-T on COCO, 36 epochs with multi-scale crops.

    bash tools/dist_train.sh configs/detection/mask-rcnn_mila-t_fpn_ms-crop-3x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from checkpoints/mila_tiny.pth, the ImageNet weights
(https://cloud.tsinghua.edu.cn/f/7a19712877cb4242889c/?dl=1; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH).
Published (44 M parameters, 255 GFLOPs at 1280x800):
box AP 48.8 (AP50 71.0, AP75 53.6), mask AP 43.8 (68.0, 46.8);
not measured here (Han et al., NeurIPS 2024).
"""

_base_ = [
    '../_base_/models/mask-rcnn_mila_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_3x.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(backbone=dict(drop_path_rate=0.3))
