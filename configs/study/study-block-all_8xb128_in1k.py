"""The empirical study on ImageNet-1k: Mamba's block in place of attention and MLP.

bash tools/dist_train.sh configs/study/study-block-all_8xb128_in1k.py 8
"""

_base_ = './study-baseline_8xb128_in1k.py'

model = dict(model=dict(name='study_block_all'))
