"""The empirical study on ImageNet-1k: no attention normalisation: Q S, not Q S / (Q Z).

    bash tools/dist_train.sh configs/study/study-no-normalisation_8xb128_in1k.py 8

Hardware: 8 GPUs with 128 images each; with another number the learning rate follows.
Published top-1: 72.4 % (Han et al., NeurIPS 2024); not measured here.
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_no_normalisation'))
