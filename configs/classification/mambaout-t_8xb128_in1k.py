"""MambaOut-T on ImageNet-1k, 300 epochs at 224x224.

bash tools/dist_train.sh configs/classification/mambaout-t_8xb128_in1k.py 8
"""

_base_ = [
    '../_base_/models/classifier_mixup.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/imagenet_300e.py',
    '../_base_/default_runtimes/classification.py',
]

model = dict(model=dict(name='mambaout_tiny', num_classes=1000, drop_path_rate=0.2))
optim_wrapper = dict(optimizer=dict(lr=4e-3), clip_grad=None)
auto_scale_lr = dict(base_batch_size=4096)
# From 1e-6 up and down to 1e-5.
param_scheduler = [
    dict(type='LinearLR', start_factor=2.5e-4, end=20, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=2.5e-3,
        begin=20,
        end=300,
        convert_to_iter_based=True,
    ),
]
