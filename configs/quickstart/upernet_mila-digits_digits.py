"""UperNet with a small MILA on scenes of handwritten digits: 11 classes, 128x128 pixels.

    python tools/train.py configs/quickstart/upernet_mila-digits_digits.py

Data: python tools/make_digits.py --out data/digits
From scratch, unless a classifier's weights are given with --cfg-options
model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=PATH
"""

_base_ = [
    '../_base_/models/upernet.py',
    '../_base_/backbones/mila-digits.py',
    '../_base_/datasets/digits_semantic.py',
    '../_base_/schedules/digits.py',
    '../_base_/default_runtimes/segmentation.py',
]

norm_cfg = dict(type='BN')
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    backbone=_base_.backbone,
    decode_head=dict(
        in_channels=_base_.widths,
        channels=64,
        num_classes=11,
        norm_cfg=norm_cfg,
        dropout_ratio=0.0,
    ),
    auxiliary_head=dict(
        in_channels=_base_.widths[2], channels=32, num_classes=11, norm_cfg=norm_cfg
    ),
)
# The heads start from nothing and have a few hundred iterations to leave "all is background".
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))))
train_cfg = dict(max_epochs=14, val_interval=7)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=100),
    dict(type='CosineAnnealingLR', end=14, convert_to_iter_based=True),
]
log_processor = dict(by_epoch=True)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1),
    visualization=dict(type='SegVisualizationHook'),
)
