"""The empirical study's baseline on ImageNet-1k: Swin-T's layout with linear attention.

bash tools/dist_train.sh configs/study/study-baseline_8xb128_in1k.py 8
"""

# The other rows of the study are this config with another model, so that nothing but the switched
# design differs.
_base_ = [
    '../_base_/models/classifier_mixup.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/schedules/imagenet_300e.py',
    '../_base_/default_runtimes/classification.py',
]

model = dict(model=dict(name='study_baseline', num_classes=1000, drop_path_rate=0.2))
