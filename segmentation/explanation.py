"""The score of a class in a map, which its explanation differentiates."""

from typing import Any

import torch.nn.functional as F
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
    """The mean logit of a class over the pixels that are given to it; see `Task.score`.

    A point means the class that is found there; without either, the class of the most pixels.
    """
    logits = model(inputs, [sample], mode='tensor')
    logits = F.interpolate(logits, inputs.shape[-2:], mode='bilinear', align_corners=False)[0]
    found = logits.argmax(dim=0)
    if label is None:
        label = int(found.flatten().mode()[0] if point is None else found[point[1], point[0]])
    region = found == label
    if not region.any():  # or there is no such class
        raise UsageError('No pixel is given to that class: choose another class.')
    return Score(logits[label][region].mean(), label, region.cpu().numpy())
