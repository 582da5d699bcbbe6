"""Mask2Former with MILA-T for COCO's instances, 50 epochs with crops of 1024x1024.

bash tools/dist_train.sh configs/detection/mask2former_mila-t_lsj-50e_coco.py 8
"""

_base_ = [
    '../_base_/models/mask2former.py',
    '../_base_/backbones/mila-t.py',
    '../_base_/datasets/coco_instance_lsj.py',
    '../_base_/schedules/mask2former_50e.py',
    '../_base_/default_runtimes/detection.py',
]

# MILA publishes no Mask2Former: this is Mask2Former's own recipe for Swin-T.
model = dict(
    data_preprocessor=dict(
        batch_augments=[dict(type='BatchFixedSizePad', size=(1024, 1024), pad_mask=True)]
    ),
    backbone=dict(_base_.backbone, drop_path_rate=0.3),
    panoptic_head=dict(in_channels=_base_.widths),
)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=5000, max_keep_ckpts=3))
log_processor = dict(by_epoch=False)
