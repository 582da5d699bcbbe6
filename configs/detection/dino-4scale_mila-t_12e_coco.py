"""DINO with four scales and MILA-T on COCO, 12 epochs with multi-scale crops.

bash tools/dist_train.sh configs/detection/dino-4scale_mila-t_12e_coco.py 8
"""

_base_ = [
    '../_base_/models/dino.py',
    '../_base_/backbones/mila-t.py',
    '../_base_/datasets/coco_detection_ms-crop.py',
    '../_base_/schedules/dino_12e.py',
    '../_base_/default_runtimes/detection.py',
]

# MILA publishes no DINO: this is DINO's own recipe, stochastic depth as in MILA's Mask R-CNN.
model = dict(
    backbone=dict(_base_.backbone, drop_path_rate=0.1),
    neck=dict(in_channels=_base_.widths[1:]),
)
