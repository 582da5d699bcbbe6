"""A small MILA on single handwritten digits: 10 classes, 64x64 pixels, 10 epochs.

    python tools/train.py configs/quickstart/mila-digits_1xb64_digits.py

Hardware: 2 CPU cores. Data: python tools/make_digits.py --out data/digits
"""

_base_ = [
    '../_base_/datasets/imagenet_digits.py',
    '../_base_/schedules/imagenet_300e.py',
    '../_base_/models/mila_digits.py',
    '../_base_/classification_runtime.py',
]

model = dict(
    type='ImageClassifier',
    model=dict(name='mila_tiny', num_classes=10, **_base_.arch),
    label_smoothing=0.1,
)

optim_wrapper = dict(optimizer=dict(lr=2e-3))
auto_scale_lr = dict(base_batch_size=64)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=60),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-2, end=10, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=10)
default_hooks = dict(logger=dict(interval=20))
