"""Mask R-CNN with ConvNeXt-T on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_convnext-t_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://huggingface.co/timm/convnext_tiny.fb_in1k/resolve/main/model.safetensors
in checkpoints/convnext_tiny.safetensors; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (48 M parameters, 262 GFLOPs at 1280x800): box AP 44.2, mask AP 40.1;
not measured here (as listed by Liu et al., "VMamba", NeurIPS 2024). The stochastic depth is
that of mmdet's 3x config.
"""

_base_ = [
    '../_base_/models/mask-rcnn_mila_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../_base_/schedules/mask-rcnn_swin-1x.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        _delete_=True,
        type='TimmBackbone',
        name='convnext_tiny',
        drop_path_rate=0.4,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/convnext_tiny.safetensors'),
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
