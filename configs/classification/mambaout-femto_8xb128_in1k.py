"""MambaOut-Femto on ImageNet-1k, 300 epochs at 224x224.

    bash tools/dist_train.sh configs/classification/mambaout-femto_8xb128_in1k.py 8

Hardware: 8 GPUs with 128 images each; with another number the learning rate follows.
Published top-1: 78.9 % (7.3 M parameters, 1.2 GFLOPs) with 4096 images an
iteration (Yu and Wang, "MambaOut", CVPR 2025); not measured here.
"""

_base_ = './mambaout-t_8xb128_in1k.py'

model = dict(model=dict(name='mambaout_femto', drop_path_rate=0.025))
