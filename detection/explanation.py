"""The score of one detection, which its explanation differentiates."""

from typing import Any

import torch
from mmdet.structures.bbox import bbox2roi
from torch import Tensor

from classification.engine.errors import UsageError
from classification.engine.task import Score


def score(
    model: Any,
    inputs: Tensor,
    sample: Any,
    label: int | None = None,
    point: tuple[int, int] | None = None,
    mask: bool = False,
) -> Score:
    """The score of a box, or the mean logit of its mask's pixels; see `Task.score`.

    A point means the smallest box around it.
    """
    found = model.predict(inputs, [sample.clone()], rescale=False)[0].pred_instances
    boxes = found.bboxes.detach()
    fits = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    if label is not None:
        fits &= found.labels == label
    if point is not None:
        x, y = point
        inside = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
        fits &= inside
    if not fits.any():
        raise UsageError('Nothing of that kind is found there: choose another class or point.')
    sizes = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    rank = found.scores.detach() if point is None else -sizes
    best = int(rank.masked_fill(~fits, -torch.inf).argmax())
    chosen = int(found.labels[best])
    region = _inside(boxes[best], inputs.shape[-2:])
    if not mask:
        return Score(found.scores[best], chosen, region.cpu().numpy())
    heads = getattr(model, 'roi_head', None)
    if heads is None or not heads.with_mask:
        raise UsageError(f'{type(model).__name__} has no mask head on boxes: leave out --mask.')
    rois = bbox2roi([boxes[best : best + 1]])
    logits = heads._mask_forward(model.extract_feat(inputs), rois=rois)['mask_preds'][0]
    logits = logits[chosen if len(logits) > 1 else 0]
    return Score(logits[logits > 0].mean(), chosen, region.cpu().numpy())


def _inside(box: Tensor, size: tuple[int, ...]) -> Tensor:
    """The pixels (H, W) of a box x1, y1, x2, y2."""
    rows, columns = (torch.arange(side, device=box.device) + 0.5 for side in size)
    return ((box[1] <= rows) & (rows < box[3]))[:, None] & (box[0] <= columns) & (columns < box[2])
