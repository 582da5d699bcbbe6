"""Plain handwritten digits at 32x32, white on black, from tools/make_digits.py --plain=1."""

_base_ = './imagenet_digits.py'

plain = dict(type='TimmTransform', input_size=32, crop_pct=1.0, interpolation='bicubic')
pipeline = [dict(type='ReadImage'), plain]
train_dataloader = dict(
    dataset=dict(data_root='data/digits-plain/imagenet/train', pipeline=pipeline)
)
val_dataloader = dict(dataset=dict(data_root='data/digits-plain/imagenet/val', pipeline=pipeline))
test_dataloader = val_dataloader
