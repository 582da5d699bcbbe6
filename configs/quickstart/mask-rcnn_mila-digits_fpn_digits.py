"""Mask R-CNN with a small MILA on scenes of handwritten digits: 10 classes, 128x128 pixels.

    python tools/train.py configs/quickstart/mask-rcnn_mila-digits_fpn_digits.py

Data: python tools/make_digits.py --out data/digits
From scratch, unless a classifier's weights are given with --cfg-options
model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=PATH
"""

_base_ = [
    '../_base_/models/mask-rcnn.py',
    '../_base_/backbones/mila-digits.py',
    '../_base_/datasets/digits_instance.py',
    '../_base_/schedules/digits.py',
    '../_base_/default_runtimes/detection.py',
]

model = dict(
    backbone=_base_.backbone,
    neck=dict(in_channels=_base_.widths, out_channels=64, num_outs=4),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(strides=[4, 8, 16, 32]),
    ),
    roi_head=dict(
        # Digits of 40 pixels are classified on stride 8, which sees all of them, not on stride 4.
        bbox_roi_extractor=dict(out_channels=64, finest_scale=14),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=10),
        mask_roi_extractor=dict(out_channels=64),
        mask_head=dict(num_convs=2, in_channels=64, conv_out_channels=64, num_classes=10),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=300, max_per_img=100),
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=60), rcnn=dict(max_per_img=20)),
)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(max_keep_ckpts=1))
