"""The complete ImageNet recipe in small: plain digits at 32x32, one image per sample, 20 epochs.

    python tools/train.py configs/quickstart/mila-digits-recipe_1xb64_digits.py

Data: python tools/make_digits.py --out data/digits-plain --plain=1
--patch-size=32 --min-height=18 --max-height=28 --val-renderings=4 --train-scenes=1 --val-scenes=1
Parts are left out by model.mixup=None, default_hooks.mesa=None, or both this and
default_hooks.ema=None, in --cfg-options.
"""

_base_ = [
    '../_base_/models/classifier_mixup.py',
    '../_base_/backbones/mila-digits.py',
    '../_base_/datasets/imagenet_digits-plain.py',
    '../_base_/schedules/digits_classification.py',
    '../_base_/default_runtimes/classification.py',
]

model = dict(model=dict(name='mila_tiny', num_classes=10, drop_path_rate=0.1, **_base_.arch))
augment = dict(
    type='TimmTransform',
    is_training=True,
    input_size=32,
    interpolation='bicubic',
    scale=(0.8, 1.0),
    ratio=(0.9, 1.1),
    hflip=0.0,
    auto_augment='rand-m9-mstd0.5-inc1',
    re_prob=0.25,
    re_mode='pixel',
    re_count=1,
)
train_dataloader = dict(
    num_workers=1,
    dataset=dict(
        indices=list(range(0, 5748, 4)),  # the first of four images of each sample
        pipeline=[dict(type='ReadImage'), augment],
    ),
)
val_dataloader = dict(num_workers=1)
test_dataloader = val_dataloader

param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=2, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-2, begin=2, end=20, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=20, val_interval=4)
# EMA over about 50 updates: the paper's decay reaches back farther than this training is long.
default_hooks = dict(
    logger=dict(interval=20),
    ema=dict(type='EMA', decay=0.98, batch_size=64),
    mesa=dict(type='MESA', weight=1.0),
)
