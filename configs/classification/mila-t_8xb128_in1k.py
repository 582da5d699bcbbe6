"""MILA-T on ImageNet-1k, 300 epochs at 224x224.

bash tools/dist_train.sh configs/classification/mila-t_8xb128_in1k.py 8
"""

_base_ = [
    '../_base_/models/classifier_mixup.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/imagenet_300e.py',
    '../_base_/default_runtimes/classification.py',
]

model = dict(model=dict(name='mila_tiny', num_classes=1000, drop_path_rate=0.2))
# EMA weights, which from a quarter of the epochs on teach the model (MESA).
default_hooks = dict(ema=dict(type='EMA'), mesa=dict(type='MESA', weight=1.0))
