"""What counting FLOPs and timing need of a detector: random inputs, and shapes without values."""

import torch
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.structures import BaseDataElement, InstanceData
from torch import nn

_INSTANCES = 8  # per image


def noise_batch(
    cfg: Config, model: nn.Module, batch: int, size: tuple[int, int], training: bool = False
) -> list:
    """[images (B, 3, H, W), B data samples], with random instances to train on."""
    if not training:
        samples = [BaseDataElement(metainfo=dict(img_shape=size)) for _ in range(batch)]
        return [torch.randn(batch, 3, *size), samples]
    classes = cfg.model.roi_head.bbox_head.num_classes
    data = demo_mm_inputs(
        batch, [(3, *size)] * batch, [_INSTANCES] * batch, classes, with_mask=True
    )
    data = model.data_preprocessor(data, training=True)
    return [data['inputs'], data['data_samples']]


def freeze_values(model: nn.Module) -> None:
    """Let RoI extractors and the RPN return results of the full size, whatever the values."""
    for module in model.modules():
        if hasattr(module, 'roi_layers'):

            def extract(maps, rois, module=module):
                size = module.roi_layers[0].output_size
                return maps[0].new_empty(len(rois), module.out_channels, *size)

            module.forward = extract
    if hasattr(model, 'roi_head'):

        def propose(*_, **__):
            return [InstanceData(bboxes=torch.empty(model.rpn_head.test_cfg.max_per_img, 4))]

        model.rpn_head.predict_by_feat = propose
