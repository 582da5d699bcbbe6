"""Mask R-CNN with Swin-T on COCO, 36 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/mask-rcnn_swin-t_fpn_ms-crop-3x_coco.py 8
"""

# The backbone is mmdet's, and so is the loading of its weights, which are downloaded.
_base_ = 'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_ms-crop-3x_coco.py'

custom_imports = dict(imports=['detection'], allow_failed_imports=False)
