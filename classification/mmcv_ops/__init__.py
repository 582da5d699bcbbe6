"""The compiled operators of mmcv, written with torchvision and PyTorch: `ext` is the list.

`classification.stand_ins` puts `ext` in the place of `mmcv._ext`, so that mmcv-lite, which has no
compiled part, serves mmdet and mmsegmentation on every Python and every device. The signatures are
mmcv's: results go into tensors that the caller made, forward and backward are called apart.
"""
