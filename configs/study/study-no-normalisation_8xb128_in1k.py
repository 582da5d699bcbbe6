"""The empirical study on ImageNet-1k: no attention normalisation: Q S, not Q S / (Q Z).

bash tools/dist_train.sh configs/study/study-no-normalisation_8xb128_in1k.py 8
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_no_normalisation'))
