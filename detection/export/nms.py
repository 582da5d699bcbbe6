"""Non-maximum suppression of a whole batch, as an operator that PyTorch and ONNX both have.

In a traced program its result has a size that only the values decide. In ONNX it is the standard
NonMaxSuppression.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import torch
import torchvision
from onnx import numpy_helper
from onnxscript import opset18
from torch import Tensor

op: Any = opset18  # whose types are too narrow for constants


@torch.library.custom_op('mila::nms', mutates_args=())
def nms(boxes: Tensor, scores: Tensor, iou_thr: float, score_thr: float, most: int) -> Tensor:
    """The boxes that remain: (D, 2) int64 rows of (image, box), by image and falling score.

    Args:
        boxes: (B, N, 4) x1, y1, x2, y2.
        scores: (B, N).
        iou_thr: a box that overlaps a better one by more than this is removed.
        score_thr: boxes whose score is not above it are removed.
        most: number of boxes that remain of an image at most.
    """
    kept = []
    for image in range(boxes.shape[0]):
        valid = (scores[image] > score_thr).nonzero()[:, 0]
        best = torchvision.ops.nms(boxes[image, valid], scores[image, valid], iou_thr)
        index = valid[best[:most]]
        kept.append(torch.stack([torch.full_like(index, image), index], dim=1))
    return torch.cat(kept)


@nms.register_fake
def _(boxes: Tensor, scores: Tensor, iou_thr: float, score_thr: float, most: int) -> Tensor:
    count = torch.library.get_ctx().new_dynamic_size()
    return boxes.new_empty(count, 2, dtype=torch.int64)


def _onnx_nms(boxes: Any, scores: Any, iou_thr: float, score_thr: float, most: int) -> Any:
    selected = op.NonMaxSuppression(
        boxes,
        op.Unsqueeze(scores, op.Constant(value_ints=[1])),
        op.Constant(value_int=most),
        op.Constant(value_float=iou_thr),
        op.Constant(value_float=score_thr),
    )
    return op.Gather(selected, op.Constant(value_ints=[0, 2]), axis=1)  # without the class


def _onnx_roi_align(
    maps: Any,
    rois: Any,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Any:
    image = op.Cast(op.Gather(rois, op.Constant(value_int=0), axis=1), to=7)  # int64
    boxes = op.Gather(rois, op.Constant(value_ints=[1, 2, 3, 4]), axis=1)
    return op.RoiAlign(
        maps,
        boxes,
        image,
        coordinate_transformation_mode='half_pixel' if aligned else 'output_half_pixel',
        output_height=pooled_height,
        output_width=pooled_width,
        sampling_ratio=max(sampling_ratio, 0),
        spatial_scale=spatial_scale,
    )


ONNX_OPERATORS: Mapping[Any, Callable] = {
    torch.ops.mila.nms.default: _onnx_nms,
    torch.ops.torchvision.roi_align.default: _onnx_roi_align,
}


def set_score_threshold(model: onnx.ModelProto, score: float) -> None:
    """Change, in a detector's graph, the score below which objects are left out.

    Args:
        model: its last NonMaxSuppression is that of the objects.
        score: the new one.
    """
    last = [node for node in model.graph.node if node.op_type == 'NonMaxSuppression'][-1]
    name = 'score_threshold'
    model.graph.initializer.append(numpy_helper.from_array(np.float32(score), name))
    last.input[4] = name
