"""Fine-tune MILA-T at 384x384 on a folder of your own: copy this file and change its first lines.

    python tools/train.py configs/classification/mila-t_finetune-384.py

The data are data/own/{train,val}/CLASS/NAME.jpeg; docs/own-images/classify.md has an easier way.
A start that is not tuned.
"""

num_classes = 10  # folders in data/own/train
size = 384
root = 'data/own'

_base_ = [
    '../_base_/models/classifier.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/imagenet_300e.py',
    '../_base_/default_runtimes/classification.py',
]

model = dict(
    model=dict(name='mila_tiny', num_classes=num_classes, drop_path_rate=0.2),
    init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mila_tiny.pth', reset_head=True),
)
read = dict(type='ReadImage')
image = dict(type='TimmTransform', input_size=size, interpolation='bicubic')
augment = dict(is_training=True, auto_augment='rand-m9-mstd0.5-inc1', re_prob=0.25)
train = dict(data_root=f'{root}/train', pipeline=[read, dict(image, **augment)])
train_dataloader = dict(batch_size=32, drop_last=False, dataset=train)
val = dict(data_root=f'{root}/val', pipeline=[read, dict(image, crop_pct=1.0)])
val_dataloader = dict(batch_size=32, dataset=val)
test_dataloader = val_dataloader

# The learning rate falls by this factor with each layer down to the stem.
optim_wrapper = dict(paramwise_cfg=dict(layer_decay=0.8))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, end=3, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-2, begin=3, end=30, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=30)
