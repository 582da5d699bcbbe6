"""The empirical study on ImageNet-1k: what won: the block with LePE, CPE and RoPE, as in MILA.

bash tools/dist_train.sh configs/study/study-winners_8xb128_in1k.py 8
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_winners'))
