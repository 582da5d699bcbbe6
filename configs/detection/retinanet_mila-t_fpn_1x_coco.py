"""RetinaNet with MILA-T on COCO, 12 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/retinanet_mila-t_fpn_1x_coco.py 8
"""

_base_ = [
    '../_base_/models/retinanet.py',
    '../_base_/backbones/mila-t.py',
    '../_base_/datasets/coco_detection_ms-crop.py',
    '../_base_/schedules/mask-rcnn_1x.py',
    '../_base_/default_runtimes/detection.py',
]

# MILA publishes no RetinaNet: this is its recipe for Mask R-CNN.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.1),
    neck=dict(in_channels=_base_.widths[1:]),
)
