"""MILA-B on ImageNet-1k, 300 epochs at 224x224.

    bash tools/dist_train.sh configs/classification/mila-b_8xb64_in1k.py 8

Hardware: 8 GPUs with 64 images each; with another number the learning rate follows.
Published top-1: 85.3 % (Han et al., NeurIPS 2024); not measured here. The weights
are averaged (EMA), and from a quarter of the epochs on the average teaches the model (MESA).
"""

_base_ = './mila-t_8xb128_in1k.py'

model = dict(model=dict(name='mila_base', drop_path_rate=0.5))
train_dataloader = dict(batch_size=64)
val_dataloader = dict(batch_size=64)
test_dataloader = val_dataloader
default_hooks = dict(mesa=dict(weight=2.0))
