"""Detections, from mmdet's samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData

from classification.results import Instances, Mask
from classification.visualization.drawing import Colour


def to_instances(
    image: np.ndarray, found: Any, classes: Sequence[str], palette: Sequence[Colour]
) -> Instances:
    """mmdet's instances, predicted or annotated, as this project's; the image as in `Result`."""
    scores, masks = found.get('scores'), found.get('masks')
    return Instances(
        image,
        classes,
        palette,
        boxes=_array(found.bboxes).reshape(-1, 4),
        labels=_array(found.labels),
        scores=None if scores is None else _array(scores),
        cut_masks=None if masks is None else [Mask.of(mask) for mask in _array(masks)],
    )


def to_sample(found: Instances, sample: Any) -> dict[str, Any]:
    """This project's instances in a sample of mmdet's, which has the truth, as metrics take it."""
    height, width = found.image.shape[:2]
    instances = InstanceData(
        bboxes=torch.from_numpy(found.boxes),
        labels=torch.from_numpy(found.labels),
        scores=torch.from_numpy(np.asarray(found.scores)),
    )
    if found.cut_masks is not None:
        masks = np.zeros((len(found), height, width), bool)
        for mask, whole in zip(found.cut_masks, masks, strict=True):
            whole[:] = mask.whole((height, width))
        instances.masks = torch.from_numpy(masks)
    sample.pred_instances = instances
    return sample.to_dict()


def _array(values: Any) -> np.ndarray:
    """A tensor, mmdet's boxes or mmdet's masks as a numpy array."""
    if hasattr(values, 'to_ndarray'):
        return values.to_ndarray()
    tensor = getattr(values, 'tensor', values).cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()  # numpy lacks bf16
