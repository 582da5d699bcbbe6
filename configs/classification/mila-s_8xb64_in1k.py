"""MILA-S on ImageNet-1k, 300 epochs at 224x224.

bash tools/dist_train.sh configs/classification/mila-s_8xb64_in1k.py 8
"""

_base_ = './mila-t_8xb128_in1k.py'

model = dict(model=dict(name='mila_small', drop_path_rate=0.3))
train_dataloader = dict(batch_size=64)
val_dataloader = dict(batch_size=64)
test_dataloader = val_dataloader
default_hooks = dict(mesa=dict(weight=1.5))
