"""MILA-T on ImageNet-1k, 300 epochs at 224x224.

    bash tools/dist_train.sh configs/classification/mila-t_8xb128_in1k.py 8

Hardware: 8 GPUs with 128 images each; with another number the learning rate follows.
Published top-1: 83.5 % (Han et al., NeurIPS 2024); not measured here. The weights
are averaged (EMA), and from a quarter of the epochs on the average teaches the model (MESA).
"""

_base_ = [
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/imagenet_300e.py',
    '../_base_/classification_runtime.py',
]

model = dict(
    type='ImageClassifier',
    model=dict(name='mila_tiny', num_classes=1000, drop_path_rate=0.2),
    label_smoothing=0.1,
    mixup=dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, mode='batch'),
)
default_hooks = dict(ema=dict(type='EMA'), mesa=dict(type='MESA', weight=1.0))
