"""Mask R-CNN with MILA-T on COCO, 12 epochs with multi-scale crops.

    bash tools/dist_train.sh configs/detection/mask-rcnn_mila-t_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from checkpoints/mila_tiny.pth, the ImageNet weights
(https://cloud.tsinghua.edu.cn/f/7a19712877cb4242889c/?dl=1; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH).
Published (44 M parameters, 255 GFLOPs at 1280x800):
box AP 46.8 (AP50 69.5, AP75 51.5), mask AP 42.1 (66.4, 45.0);
not measured here (Han et al., NeurIPS 2024).
"""

_base_ = [
    '../_base_/models/mask-rcnn_mila_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/mask-rcnn_1x.py',
    'mmdet::_base_/default_runtime.py',
]
