"""Which detectors can be exported, and how they are described."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from classification.engine.errors import UsageError
from classification.export.exportable import Exportable, Port, Threshold
from classification.export.pipelines import pixels_of_pipeline

from .network import TwoStageDetector
from .nms import ONNX_OPERATORS, set_score_threshold


def exportable(detector: nn.Module, steps: Sequence[Mapping[str, Any]]) -> Exportable:
    """A Faster R-CNN or Mask R-CNN with what is around it.

    Args:
        detector: mmdet's, in evaluation mode.
        steps: configs of the transforms of testing.

    Raises:
        UsageError: a part of the detector or a step has no form that can be exported.
    """
    if reason := refusal(detector):
        raise UsageError(
            f'This detector cannot be exported, for {reason}: the detectors that can are Faster '
            'R-CNN and Mask R-CNN with an FPN as mmdet configures them.'
        )
    preprocessor: Any = detector.data_preprocessor
    heads: Any = detector.roi_head
    divisor = preprocessor.pad_size_divisor
    outputs = _outputs(detector)
    return Exportable(
        task='detection',
        network=TwoStageDetector(detector),
        network_outputs=outputs,
        outputs=outputs,
        pixels=pixels_of_pipeline(steps, preprocessor, divisor),
        takes_sizes=True,
        multiple=divisor,
        threshold=Threshold(_set_threshold, set_score_threshold, heads.test_cfg.max_per_img),
        operators=ONNX_OPERATORS,
    )


def _set_threshold(detector: Any, score: float) -> float:
    settings = detector.roi_head.test_cfg
    before, settings.score_thr = settings.score_thr, score
    return before


def _outputs(detector: Any) -> list[Port]:
    heads = detector.roi_head
    most = heads.test_cfg.max_per_img
    ports = [
        Port(
            'boxes',
            ['detections', 4],
            'float32',
            'left, top, right and bottom in pixels of the image as given; the detections of the '
            f'images follow each other, at most {most} of each, by falling score',
        ),
        Port('labels', ['detections'], 'int64', 'positions in mila.classes, from 0'),
        Port('scores', ['detections'], 'float32', 'confidence, 0 to 1'),
    ]
    if heads.with_mask:
        side = heads.mask_roi_extractor.roi_layers[0].output_size[0] * (
            heads.mask_head.scale_factor or 1
        )
        meaning = 'probability that a pixel of the box, divided evenly, is of the object'
        ports.append(Port('masks', ['detections', side, side], 'float32', meaning))
    ports.append(Port('counts', ['batch'], 'int64', 'number of detections of each image'))
    return ports


def refusal(detector: Any) -> str | None:
    """Why a detector cannot be exported; None where it can."""
    expected = [
        (detector, {'FasterRCNN', 'MaskRCNN'}),
        (getattr(detector, 'rpn_head', None), {'RPNHead'}),
        (getattr(detector, 'roi_head', None), {'StandardRoIHead'}),
    ]
    for part, names in expected:
        if type(part).__name__ not in names:
            return f'it has a {type(part).__name__}, not {" or ".join(sorted(names))}'
    heads = detector.roi_head
    if heads.with_shared_head:
        return 'its heads share a part of the backbone'
    extractors = [heads.bbox_roi_extractor]
    if heads.with_mask:
        extractors.append(heads.mask_roi_extractor)
        if type(heads.mask_head).__name__ != 'FCNMaskHead':
            return f'its mask head is a {type(heads.mask_head).__name__}'
        if heads.test_cfg.mask_thr_binary != 0.5:
            return f'its masks begin at a probability of {heads.test_cfg.mask_thr_binary}, not 0.5'
    for extractor in extractors:
        if type(extractor).__name__ != 'SingleRoIExtractor':
            return f'its RoI features are of a {type(extractor).__name__}'
        for layer in extractor.roi_layers:
            if type(layer).__name__ != 'RoIAlign' or layer.pool_mode != 'avg':
                return 'its RoI features are not averages of RoIAlign'
    for head in (detector.rpn_head, heads.bbox_head):
        if type(head.bbox_coder).__name__ != 'DeltaXYWHBBoxCoder' or head.bbox_coder.add_ctr_clamp:
            return 'its boxes are not coded by a plain DeltaXYWHBBoxCoder'
    for settings in (detector.rpn_head.test_cfg, heads.test_cfg):
        nms = settings.nms
        plain = set(nms) <= {'type', 'iou_threshold', 'split_thr', 'class_agnostic'}
        if not plain or nms.get('type', 'nms') != 'nms' or nms.get('class_agnostic', False):
            return f'its NMS is {dict(nms)}'
    if heads.bbox_head.custom_cls_channels:
        return 'its box head scores in its own way'
    return None
