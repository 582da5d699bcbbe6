"""MambaOut-B on ImageNet-1k, 300 epochs at 224x224.

bash tools/dist_train.sh configs/classification/mambaout-b_8xb128_in1k.py 8
"""

_base_ = './mambaout-t_8xb128_in1k.py'

model = dict(model=dict(name='mambaout_base', drop_path_rate=0.6))
