"""UperNet on MILA-T; other sizes set `arch` and, where they differ, the widths."""

_base_ = 'mmseg::_base_/models/upernet_swin.py'

custom_imports = dict(imports=['segmentation'], allow_failed_imports=False)
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(
        _delete_=True,
        type='MILA',
        arch='tiny',
        # Unpublished: like the published one of B, the rate of ImageNet training.
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mila_tiny.pth'),
    ),
    decode_head=dict(in_channels=[64, 128, 256, 512], num_classes=150),
    auxiliary_head=dict(in_channels=256, num_classes=150),
)
