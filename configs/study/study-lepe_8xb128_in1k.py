"""The empirical study on ImageNet-1k: a local term on the values (LePE).

bash tools/dist_train.sh configs/study/study-lepe_8xb128_in1k.py 8
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_lepe'))
