"""UperNet without a backbone: the config adds one, and its widths to the heads."""

_base_ = './upernet_swin.py'

model = dict(
    backbone=dict(_delete_=True),  # the Swin
    decode_head=dict(in_channels=None),
    auxiliary_head=dict(in_channels=None),
)
