"""A small MILA on single handwritten digits: 10 classes, 64x64 pixels, 10 epochs.

    python tools/train.py configs/quickstart/mila-digits_1xb64_digits.py

Data: python tools/make_digits.py --out data/digits
"""

_base_ = [
    '../_base_/models/classifier.py',
    '../_base_/backbones/mila-digits.py',
    '../_base_/datasets/imagenet_digits.py',
    '../_base_/schedules/digits_classification.py',
    '../_base_/default_runtimes/classification.py',
]

model = dict(model=dict(name='mila_tiny', num_classes=10, **_base_.arch))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=60),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-2, end=10, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=10)
default_hooks = dict(logger=dict(interval=20))
