"""RetinaNet with FPN, without a backbone: the config adds one, and its widths to the neck.

The backbone gives the maps of strides 8, 16 and 32 alone: with start_level=1, as mmdet has it, the
norm of the map of stride 4 would be built and never trained.
"""

_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'

model = dict(
    backbone=dict(_delete_=True, out_indices=(1, 2, 3)),  # instead of the ResNet
    neck=dict(in_channels=None, start_level=0),
)
