"""The empirical study's baseline on ImageNet-1k: Swin-T's layout with linear attention.

    bash tools/dist_train.sh configs/study/study-baseline_8xb128_in1k.py 8

Hardware: 8 GPUs with 128 images each; with another number the learning rate follows.
Published top-1: 77.6 % (Han et al., NeurIPS 2024); not measured here. The other rows of the study
are this config with another model, so that nothing but the switched design differs.
"""

_base_ = [
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/imagenet_300e.py',
    '../_base_/classification_runtime.py',
]

model = dict(
    type='ImageClassifier',
    model=dict(name='study_baseline', num_classes=1000, drop_path_rate=0.2),
    label_smoothing=0.1,
    mixup=dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, mode='batch'),
)
