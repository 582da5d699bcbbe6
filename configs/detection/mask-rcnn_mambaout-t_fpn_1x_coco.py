"""Mask R-CNN with MambaOut-T on COCO, 12 epochs by Swin's recipe.

    bash tools/dist_train.sh configs/detection/mask-rcnn_mambaout-t_fpn_1x_coco.py 8

Hardware: 8 GPUs with 2 images each. Starts from the ImageNet weights of
https://huggingface.co/timm/mambaout_tiny.in1k/resolve/main/model.safetensors
in checkpoints/mambaout_tiny.safetensors; another place:
--cfg-options model.backbone.init_cfg.checkpoint=PATH.
Published (43 M parameters, 262 GFLOPs at 1280x800): box AP 45.1, mask AP 41.0;
not measured here (Yu and Wang, "MambaOut", CVPR 2025).
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
        name='mambaout_tiny',
        drop_path_rate=0.3,
        init_cfg=dict(type='Pretrained', checkpoint='checkpoints/mambaout_tiny.safetensors'),
    ),
    neck=dict(in_channels=[96, 192, 384, 576]),
)
