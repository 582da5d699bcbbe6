"""The empirical study on ImageNet-1k: all six designs of Mamba, which make its block.

bash tools/dist_train.sh configs/study/study-mamba_8xb128_in1k.py 8
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_mamba'))
