"""The empirical study on ImageNet-1k: convolutional positions (CPE).

bash tools/dist_train.sh configs/study/study-cpe_8xb128_in1k.py 8
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_cpe'))
