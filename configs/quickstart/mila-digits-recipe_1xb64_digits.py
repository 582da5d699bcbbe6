"""The complete ImageNet recipe in small: plain digits at 32x32, one picture a sample, 20 epochs.

    python tools/train.py configs/quickstart/mila-digits-recipe_1xb64_digits.py

Hardware: 1 CPU core. Data: python tools/make_digits.py --out data/digits-plain --plain=1
--patch-size=32 --min-height=18 --max-height=28 --val-renderings=4 --train-scenes=1 --val-scenes=1
Parts are left out by model.mixup=None, default_hooks.mesa=None, or both this and
default_hooks.ema=None, in --cfg-options.
"""

_base_ = './mila-digits_1xb64_digits.py'

model = dict(
    model=dict(drop_path_rate=0.1),
    mixup=dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, mode='batch'),
)
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
        data_root='data/digits-plain/imagenet/train',
        indices=list(range(0, 5748, 4)),  # the first of four pictures of each sample
        pipeline=[dict(type='ReadImage'), augment],
    ),
)
plain = dict(type='TimmTransform', input_size=32, crop_pct=1.0, interpolation='bicubic')
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        data_root='data/digits-plain/imagenet/val', pipeline=[dict(type='ReadImage'), plain]
    ),
)
test_dataloader = val_dataloader

param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=2, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-2, begin=2, end=20, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=20, val_interval=4)
# The average of about 50 updates: the paper's reaches back farther than this training is long.
default_hooks = dict(
    ema=dict(type='EMA', decay=0.98, batch_size=64), mesa=dict(type='MESA', weight=1.0)
)
