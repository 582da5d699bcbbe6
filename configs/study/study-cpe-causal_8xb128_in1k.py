"""The empirical study on ImageNet-1k: CPE with causal token mixing, scanned row by row.

bash tools/dist_train.sh configs/study/study-cpe-causal_8xb128_in1k.py 8
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_cpe_causal'))
