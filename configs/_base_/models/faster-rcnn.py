"""Faster R-CNN with FPN, without a backbone: the config adds one, and its widths to the neck."""

_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

model = dict(
    backbone=dict(_delete_=True),  # the ResNet
    neck=dict(in_channels=None),
)
