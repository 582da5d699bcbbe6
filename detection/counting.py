"""What counting FLOPs and timing need of a detector: random inputs, and shapes without values."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.models.roi_heads import CascadeRoIHead
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor, nn

from classification.engine.configs.heads import class_counts

_INSTANCES = 8  # per image


def noise_batch(
    cfg: Config, model: nn.Module, batch: int, size: tuple[int, int], training: bool = False
) -> list:
    """[images (B, 3, H, W), B data samples], with random instances to train on."""
    if not training:
        sizes = dict(img_shape=size, batch_input_shape=size)
        samples = [BaseDataElement(metainfo=sizes) for _ in range(batch)]
        return [torch.randn(batch, 3, *size), samples]
    classes = class_counts(cfg.model)[0][1]
    data = demo_mm_inputs(
        batch, [(3, *size)] * batch, [_INSTANCES] * batch, classes, with_mask=True
    )
    detector: Any = model  # mmdet has no types
    data = detector.data_preprocessor(data, training=True)
    return [data['inputs'], data['data_samples']]


def reads_values(model: nn.Module) -> bool:
    """Whether a detector has deformable attention, which reads the maps' sizes from tensors."""
    return any(isinstance(module, MultiScaleDeformableAttention) for module in model.modules())


def freeze_values(model: nn.Module) -> None:
    """Let RoI extractors and the RPN return results of the full size, whatever the values."""
    detector: Any = model  # mmdet has no types
    for module in detector.modules():
        if hasattr(module, 'roi_layers'):

            def extract(maps: Sequence[Tensor], rois: Tensor, module: Any = module) -> Tensor:
                size = module.roi_layers[0].output_size
                return maps[0].new_empty(len(rois), module.out_channels, *size)

            module.forward = extract
    if hasattr(detector, 'roi_head'):

        def propose(*_: Any, **__: Any) -> list[InstanceData]:
            return [InstanceData(bboxes=torch.empty(detector.rpn_head.test_cfg.max_per_img, 4))]

        detector.rpn_head.predict_by_feat = propose
        if isinstance(detector.roi_head, CascadeRoIHead):
            _limit_masks(detector.roi_head)


def _limit_masks(head: Any) -> None:
    """Let each stage of a cascade run its mask head on as many regions as give results.

    Its forward runs them on all proposals; its prediction, the papers' counts and the forward of
    mmdet's other RoI heads on 100.
    """
    run = head._mask_forward

    def limited(stage: int, maps: Sequence[Tensor], rois: Tensor) -> dict[str, Tensor]:
        masks = run(stage, maps, rois[: head.test_cfg.max_per_img])['mask_preds']
        return dict(mask_preds=masks.new_empty(len(rois), *masks.shape[1:]))

    head._mask_forward = limited
