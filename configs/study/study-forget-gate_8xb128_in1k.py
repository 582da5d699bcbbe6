"""The empirical study on ImageNet-1k: the forget gate: Ã ⊙ S, scanned row by row.

bash tools/dist_train.sh configs/study/study-forget-gate_8xb128_in1k.py 8
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_forget_gate'))
