"""Mask R-CNN with Swin-T on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_swin-t_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. The backbone is mmdet's, and so is the loading of the ImageNet
weights, which are downloaded; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (48 M parameters, 267 GFLOPs at 1280x800):
box AP 42.7 (AP50 65.2, AP75 46.8), mask AP 39.3 (62.2, 42.2);
not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = 'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py'

custom_imports = dict(imports=['detection'], allow_failed_imports=False)
