"""SegFormer's light head without a backbone: the config adds one, and its widths to the head."""

_base_ = 'mmseg::_base_/models/segformer_mit-b0.py'

model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(_delete_=True),  # the MixVisionTransformer
    decode_head=dict(in_channels=None, num_classes=150),
)
