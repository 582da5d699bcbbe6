"""The empirical study on ImageNet-1k: one head in place of many.

bash tools/dist_train.sh configs/study/study-single-head_8xb128_in1k.py 8
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_single_head'))
