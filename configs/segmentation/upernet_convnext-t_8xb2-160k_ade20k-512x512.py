"""UperNet with ConvNeXt-T on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_convnext-t_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://huggingface.co/timm/convnext_tiny.fb_in1k/resolve/main/model.safetensors
in checkpoints/convnext_tiny.safetensors; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (60 M parameters, 939 GFLOPs at 512x2048): mIoU 46.0, multi-scale with flip 46.7
(`tools/test.py … --tta`); not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024). It
was reached with a recipe of its own (learning rate 1e-4 that decays by layers, weight decay .05);
here it is Swin's, as for the other backbones, with ConvNeXt's stochastic depth.
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
        name='convnext_tiny',
        drop_path_rate=0.4,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/convnext_tiny.safetensors'),
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
    auxiliary_head=dict(in_channels=384),
)
