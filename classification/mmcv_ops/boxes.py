"""Operators on boxes (x1, y1, x2, y2): suppression of overlapping ones, and overlaps.

`offset` is 1 where a box counts both of its border pixels, as early detectors did, else 0.
"""

import torch
from torch import Tensor

from .gradient import computable


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Non-maximum suppression.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_threshold: boxes that overlap a better one by more are dropped.

    Returns:
        (K,) int64, positions of those kept, the best first.
    """
    boxes = computable(boxes)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return torch.ops.torchvision.nms(boxes, computable(scores), iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla et al., ICCV 2017): overlapping boxes lose score instead of being dropped.

    Boxes are taken in the order in which mmcv takes them, also where scores are equal: a box that
    falls below `min_score` gives its position to the last one.

    Args:
        boxes: (N, 4).
        scores: (N,).
        dets: (N, 5), filled with boxes and new scores.
        method: 0 drops as NMS does, 1 is linear, 2 Gaussian with `sigma`.

    Returns:
        (K,) int64, positions of those kept, in the order of `dets`.
    """
    rows = torch.cat([boxes, scores[:, None]], dim=1).float()
    order = torch.arange(len(rows), device=rows.device)
    done = 0
    while done < len(rows):
        best = done + int(rows[done:, 4].argmax())
        swapped = torch.tensor([best, done], device=rows.device)
        rows[[done, best]] = rows[swapped]
        order[[done, best]] = order[swapped]
        done += 1
        rest = rows[done:]
        overlap = _overlaps(rows[done - 1 : done, :4], rest[:, :4], offset)[0]
        if method == 2:
            rest[:, 4] *= torch.exp(-(overlap * overlap) / sigma)
        else:
            lost = overlap if method else torch.ones_like(overlap)
            rest[:, 4] *= torch.where(overlap >= iou_threshold, 1 - lost, torch.ones_like(lost))
        kept = _without_low(~(rest[:, 4] < min_score))
        rows = torch.cat([rows[:done], rest[kept]])
        order = torch.cat([order[:done], order[done:][kept]])
    dets[: len(rows)] = rows
    return order


def _without_low(good: Tensor) -> Tensor:
    """Positions of the good ones, after each bad one was replaced by the last good one."""
    count = int(good.sum())
    positions = torch.arange(count, device=good.device)
    holes = positions[~good[:count]]
    positions[holes] = (count + good[count:].nonzero().flatten()).flip(0)
    return positions


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """The groups that NMS makes: each kept box, then those that it suppresses, by score.

    Args:
        dets: (N, 5), boxes and scores.
    """
    left = dets[:, 4].sort(descending=True)[1]
    groups = []
    while len(left):
        overlap = _overlaps(dets[left[:1], :4], dets[left, :4], offset=0)[0]
        member = overlap >= iou_threshold
        member[0] = True  # also of a box without area
        groups.append(left[member].tolist())
        left = left[~member]
    return groups


def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Overlaps of boxes, written into `ious`.

    Args:
        bboxes1: (M, 4).
        bboxes2: (N, 4).
        ious: (M, N), or (M,) of pairs if aligned.
        mode: 0 for intersection over union, 1 for intersection over the first box.
    """
    bboxes1, bboxes2 = computable(bboxes1), computable(bboxes2)
    if aligned:
        bboxes1, bboxes2 = bboxes1[:, None], bboxes2[:, None]
    overlaps = _overlaps(bboxes1, bboxes2, offset, of_first=mode == 1)
    ious.copy_(overlaps.view_as(ious))


def _overlaps(a: Tensor, b: Tensor, offset: int, of_first: bool = False) -> Tensor:
    """(…, M, N) overlaps of boxes (…, M, 4) and (…, N, 4)."""
    a, b = a[..., :, None, :], b[..., None, :, :]
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2]) + offset
    shared = sides.clamp(min=0).prod(-1)
    area = (a[..., 2:] - a[..., :2] + offset).prod(-1)
    if not of_first:
        area = area + (b[..., 2:] - b[..., :2] + offset).prod(-1) - shared
    return shared / area
