"""UperNet with Swin-T on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_swin-t_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. The backbone is mmseg's, and so is the loading of the ImageNet
weights, which are downloaded; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (60 M parameters, 945 GFLOPs at 512x2048): mIoU 44.4, multi-scale with flip 45.8
(`tools/test.py … --tta`); not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024).
"""

_base_ = [
    'mmseg::_base_/models/upernet_swin.py',
    '../_base_/datasets/ade20k_8xb2.py',
    '../_base_/schedules/upernet_160k.py',
    'mmseg::_base_/default_runtime.py',
]

custom_imports = dict(imports=['segmentation'], allow_failed_imports=False)
storage = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin'

model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint=f'{storage}/swin_tiny_patch4_window7_224_20220317-1cdeb081.pth',
        )
    ),
    decode_head=dict(num_classes=150),
    auxiliary_head=dict(num_classes=150),
)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(relative_position_bias_table=dict(decay_mult=0.0)))
)
