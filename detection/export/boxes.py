"""Arithmetic of boxes for a whole batch, in the order of operations that mmdet has.

The order matters: equal rounding keeps equal boxes on both sides of NMS's threshold.
"""

import math
from typing import Any

import torch
from torch import Tensor

from .nms import nms


def grid_anchors(base: Tensor, stride: tuple[int, int], height: int, width: int) -> Tensor:
    """(height * width * A, 4) anchors of a map, as mmdet's AnchorGenerator orders them.

    Args:
        base: (A, 4) anchors around the origin.
        stride: (x, y) pixels from one place of the map to the next.
    """
    x = torch.arange(width, device=base.device).to(base.dtype) * stride[0]
    y = torch.arange(height, device=base.device).to(base.dtype) * stride[1]
    shifts = torch.stack(
        [
            x[None, :].expand(height, width),
            y[:, None].expand(height, width),
            x[None, :].expand(height, width),
            y[:, None].expand(height, width),
        ],
        dim=-1,
    )
    return (shifts.reshape(-1, 1, 4) + base).reshape(-1, 4)


def decode(coder: Any, boxes: Tensor, deltas: Tensor, shape: Tensor) -> Tensor:
    """Boxes (..., 4) moved by a network's deltas (..., 4), as mmdet's DeltaXYWHBBoxCoder does it.

    Args:
        coder: mmdet's, for its constants.
        shape: (2,) height and width of the image, in which the boxes are cut.
    """
    deltas = deltas * deltas.new_tensor(coder.stds) + deltas.new_tensor(coder.means)
    sizes = boxes[..., 2:] - boxes[..., :2]
    limit = abs(math.log(16 / 1000))
    centres = (boxes[..., :2] + boxes[..., 2:]) * 0.5 + sizes * deltas[..., :2]
    sizes = sizes * deltas[..., 2:].clamp(-limit, limit).exp()
    corners = torch.cat([centres - sizes * 0.5, centres + sizes * 0.5], dim=-1)
    if not coder.clip_border:
        return corners
    return torch.minimum(corners.clamp(min=0), shape.flip(0).repeat(2).to(corners))


def grouped_nms(
    boxes: Tensor, scores: Tensor, groups: Tensor, iou_thr: float, score_thr: float, most: int
) -> Tensor:
    """`nms` in which only boxes of one group remove each other.

    As mmcv's batched_nms, each group is moved to where no other group is.

    Args:
        boxes: (B, N, 4).
        scores: (B, N).
        groups: (N,) numbers from 0, such as a box's class.
        iou_thr, score_thr, most: as `nms`.
    """
    valid = (scores > score_thr)[..., None]
    farthest = torch.where(valid, boxes, torch.zeros_like(boxes)).amax(dim=(1, 2))
    offsets = groups.to(boxes) * (farthest[:, None] + 1)
    return nms(boxes + offsets[..., None], scores, iou_thr, score_thr, most)


def ranks(images: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    """(rank (D,) of each row among those of its image, number (B,) of rows of each image).

    Args:
        images: (D,) rising numbers of images.
        batch: (B,) all numbers of images.
    """
    counts = (images[:, None] == batch).sum(dim=0)
    before = counts.cumsum(0) - counts
    return torch.ones_like(images).cumsum(0) - 1 - before[images], counts
