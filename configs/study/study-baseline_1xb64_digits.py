"""The empirical study's baseline on plain handwritten digits: 10 classes, 32x32 pixels.

    python tools/study.py configs/study/study-baseline_1xb64_digits.py

Hardware: 2 CPU cores. Data: tools/study.py makes it, in data/digits-plain. What is measured with
it stands in docs/study.md; nothing is published for it and ImageNet is not measured here.

Two stages of two blocks see 8x8 tokens of 4x4 pixels, each about one value of the 8x8 samples:
a token alone says little, so that what a design knows of positions decides. The digits lie
anywhere in the picture.
"""

_base_ = [
    '../_base_/datasets/imagenet_digits.py',
    '../_base_/schedules/imagenet_300e.py',
    '../_base_/classification_runtime.py',
]

plain = dict(type='TimmTransform', input_size=32, crop_pct=1.0, interpolation='bicubic')
pipeline = [dict(type='ReadImage'), plain]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/digits-plain/imagenet/train', pipeline=pipeline),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/digits-plain/imagenet/val', pipeline=pipeline),
)
test_dataloader = val_dataloader

model = dict(
    type='ImageClassifier',
    model=dict(
        name='study_baseline',
        num_classes=10,
        img_size=32,
        embed_dim=32,
        depths=(2, 2),
        num_heads=(4, 8),
    ),
    label_smoothing=0.1,
)

optim_wrapper = dict(optimizer=dict(lr=2e-3))
auto_scale_lr = dict(base_batch_size=64)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=60),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-2, end=6, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=6, val_interval=6)
default_hooks = dict(logger=dict(interval=20))
