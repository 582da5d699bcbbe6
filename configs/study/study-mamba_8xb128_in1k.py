"""The empirical study on ImageNet-1k: all six designs of Mamba, which make its block.

    bash tools/dist_train.sh configs/study/study-mamba_8xb128_in1k.py 8

Hardware: 8 GPUs with 128 images each; with another number the learning rate follows.
No result is published for this combination in Swin-T's layout, and it was not measured here.
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_mamba'))
