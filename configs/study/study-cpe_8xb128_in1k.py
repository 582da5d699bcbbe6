"""The empirical study on ImageNet-1k: convolutional positions (CPE).

    bash tools/dist_train.sh configs/study/study-cpe_8xb128_in1k.py 8

Hardware: 8 GPUs with 128 images each; with another number the learning rate follows.
Published top-1: 81.7 % (Han et al., NeurIPS 2024); not measured here.
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_cpe'))
