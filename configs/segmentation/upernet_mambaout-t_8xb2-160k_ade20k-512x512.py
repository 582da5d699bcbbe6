"""UperNet with MambaOut-T on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_mambaout-t_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://huggingface.co/timm/mambaout_tiny.in1k/resolve/main/model.safetensors
in checkpoints/mambaout_tiny.safetensors; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (54 M parameters, 938 GFLOPs at 512x2048): mIoU 47.4, multi-scale with flip 48.6
(`tools/test.py … --tta`); not measured here (Yu and Wang, "MambaOut", CVPR 2025). Of its
recipe the learning rate is known; the rest is Swin's, and stochastic depth that of Mask R-CNN.
"""

_base_ = [
    '../_base_/models/upernet_mila.py',
    '../_base_/datasets/ade20k_8xb2.py',
    '../_base_/schedules/upernet_160k.py',
    'mmseg::_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        type='TimmBackbone',
        name='mambaout_tiny',
        drop_path_rate=0.3,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mambaout_tiny.safetensors'),
    ),
    decode_head=dict(in_channels=[96, 192, 384, 576]),
    auxiliary_head=dict(in_channels=384),
)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
