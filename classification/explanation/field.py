"""Which pixels a place of a map depends on: the effective receptive field.

Source: Luo et al., "Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks" (NeurIPS 2016), as Ding et al. (RepLKNet, CVPR 2022) draw it.
"""

import numpy as np
import torch
from torch import Tensor, nn

from .stages import Token, backbone_of, stage_maps


def effective_field(
    model: nn.Module, images: Tensor, stage: int = -1, token: Token | None = None
) -> Tensor:
    """|d features of a token / d pixel|: of the sum over channels, the mean over the images.

    Args:
        model: with a backbone of timm's interface, in evaluation mode.
        images: (B, 3, H, W), as the backbone takes them.
        stage: of the map.
        token: (row, column) in the map; by default its centre.

    Returns:
        (H, W) float32, 0 or more.
    """
    backbone = backbone_of(model)
    total = torch.zeros(images.shape[-2:], device=images.device)
    for image in images:
        image = image[None].detach().requires_grad_()
        with torch.enable_grad():
            found = stage_maps(backbone, image)[stage]
            row, column = token or (found.shape[-2] // 2, found.shape[-1] // 2)
            (gradient,) = torch.autograd.grad(found[0, :, row, column].sum(), image)
        total += gradient[0].float().sum(dim=0).abs()
    return total / len(images)


def side_that_holds(field: np.ndarray, share: float) -> float:
    """Side of the smallest square around the centre that holds a share of a field, from 0 to 1.

    Args:
        field: (N, N), 0 or more.
        share: from 0 to 1.

    Returns:
        The square's side over the field's, as RepLKNet's tables have it for areas.
    """
    rows, columns = np.indices(field.shape)
    centre = np.array(field.shape)[:, None, None] // 2
    rings = np.abs(np.stack([rows, columns]) - centre).max(axis=0)  # a pixel's distance
    held = np.cumsum(np.bincount(rings.ravel(), weights=field.ravel()))
    distance = int(np.searchsorted(held, share * held[-1]))
    return min(1.0, (2 * distance + 1) / min(field.shape))
