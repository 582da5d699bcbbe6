"""Handwritten digits at 64x64, from tools/make_digits.py, which varies them already."""

_base_ = './imagenet_224.py'

train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    pin_memory=False,
    dataset=dict(
        data_root='data/digits/imagenet/train',
        pipeline=[
            dict(type='ReadImage'),
            dict(
                type='TimmTransform',
                is_training=True,
                input_size=64,
                interpolation='bicubic',
                scale=(0.9, 1.0),
                ratio=(0.9, 1.1),
                hflip=0.0,
                color_jitter=None,
            ),
        ],
    ),
)

val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    pin_memory=False,
    dataset=dict(
        data_root='data/digits/imagenet/val',
        pipeline=[
            dict(type='ReadImage'),
            dict(type='TimmTransform', input_size=64, crop_pct=1.0, interpolation='bicubic'),
        ],
    ),
)
test_dataloader = val_dataloader
