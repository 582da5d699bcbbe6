"""The empirical study's baseline on plain handwritten digits: 10 classes, 32x32 pixels.

    python tools/study.py configs/study/study-baseline_1xb64_digits.py

tools/study.py makes the data. docs/study.md has what is measured with it.
"""

_base_ = [
    '../_base_/models/classifier.py',
    '../_base_/datasets/imagenet_digits-plain.py',
    '../_base_/schedules/digits_classification.py',
    '../_base_/default_runtimes/classification.py',
]

train_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader

model = dict(
    # 8x8 tokens of 4x4 pixels, each about one value of the 8x8 samples: a token alone says little,
    # so that what a design knows of positions decides. The digits lie anywhere in the image.
    model=dict(
        name='study_baseline',
        num_classes=10,
        img_size=32,
        embed_dim=32,
        depths=(2, 2),
        num_heads=(4, 8),
    ),
)

param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=60),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-2, end=6, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=6, val_interval=6)
default_hooks = dict(logger=dict(interval=20))
