"""From what a model is fed back to pixels."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .transforms import TimmTransform


def pixels_of(images: Tensor, preprocessor: Any, transforms: Iterable[Any]) -> list[np.ndarray]:
    """Normalised images as pixels.

    Args:
        images: (B, 3, H, W), as the backbone takes them.
        preprocessor: the model's, which normalises (mmdet's and mmseg's), or not.
        transforms: those of the dataset, of which a TimmTransform normalises otherwise.

    Returns:
        B times (H, W, 3) uint8, RGB.
    """
    mean, std = torch.zeros(3), torch.full((3,), 1 / 255)
    for transform in transforms:
        if isinstance(transform, TimmTransform):
            mean, std = (255 * torch.as_tensor(part) for part in transform.normalisation)
            break
    else:
        mean, std = getattr(preprocessor, 'mean', mean), getattr(preprocessor, 'std', std)
    mean, std = (part.view(-1, 1, 1).cpu() for part in (mean, std))
    pixels = (images.detach().float().cpu() * std + mean).round().clamp(0, 255)
    return [image.permute(1, 2, 0).numpy().astype(np.uint8) for image in pixels]
