"""A stage's features as colours: their three principal components."""

import numpy as np
import torch
from torch import Tensor

_ENDS = 0.01, 0.99  # quantiles that become 0 and 255, so that single tokens set no scale


@torch.no_grad()
def principal_colours(features: Tensor) -> np.ndarray:
    """The three strongest principal components over the tokens, as red, green and blue.

    Args:
        features: (C, h, w), of one image and stage.

    Returns:
        (h, w, 3) uint8. Each component spans its own range; its sign is the one in which its
        largest coefficient is positive, so that pictures are the same on every machine.
    """
    tokens = features.flatten(1).T.double()
    tokens = tokens - tokens.mean(dim=0)
    _, vectors = torch.linalg.eigh(tokens.T @ tokens)  # ascending
    axes = vectors[:, -3:].flip(1)
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    parts = tokens @ (axes * largest.sign())
    low, high = torch.quantile(parts, torch.tensor(_ENDS, dtype=parts.dtype), dim=0)
    shares = (parts - low) / (high - low).clamp(min=torch.finfo(parts.dtype).tiny)
    colours = (255 * shares.clamp(0, 1)).round().byte()
    return colours.view(*features.shape[1:], -1).cpu().numpy()
