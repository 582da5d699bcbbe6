"""MambaOut-B on ImageNet-1k, 300 epochs at 224x224.

    bash tools/dist_train.sh configs/classification/mambaout-b_8xb128_in1k.py 8

Hardware: 8 GPUs with 128 images each; with another number the learning rate follows.
Published top-1: 84.2 % (84.8 M parameters, 15.8 GFLOPs) with 4096 images an
iteration (Yu and Wang, "MambaOut", CVPR 2025); not measured here.
"""

_base_ = './mambaout-t_8xb128_in1k.py'

model = dict(model=dict(name='mambaout_base', drop_path_rate=0.6))
