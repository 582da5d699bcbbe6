"""The empirical study on ImageNet-1k: the baseline with causal token mixing, row by row.

    bash tools/dist_train.sh configs/study/study-causal_8xb128_in1k.py 8

Hardware: 8 GPUs with 128 images each; with another number the learning rate follows.
No figure is published for it; not measured here.
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_causal'))
