"""UperNet with ConvNeXt-B on ADE20K, 160,000 iterations with 512x512 crops.

    bash tools/dist_train.sh configs/segmentation/upernet_convnext-b_8xb2-160k_ade20k-512x512.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://huggingface.co/timm/convnext_base.fb_in1k/resolve/main/model.safetensors
in checkpoints/convnext_base.safetensors; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (122 M parameters, 1170 GFLOPs at 512x2048): mIoU 49.1, multi-scale with flip 49.9
(`tools/test.py … --tta`); not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024). It
was reached with a recipe of its own (learning rate 1e-4 that decays by layers, weight decay .05);
here it is Swin's, as for the other backbones, with ConvNeXt's stochastic depth.
"""

_base_ = 'upernet_convnext-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    backbone=dict(
        name='convnext_base',
        init_cfg=dict(checkpoint='checkpoints/convnext_base.safetensors'),
    ),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
    auxiliary_head=dict(in_channels=512),
)
