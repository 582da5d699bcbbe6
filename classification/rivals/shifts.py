"""The pixels around every pixel, as views."""

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor


def shifts(x: Tensor) -> Iterator[Tensor]:
    """The nine neighbours of each pixel, row by row, with zeros around the image.

    Args:
        x: (B, H, W, ...).

    Returns:
        Nine views (B, H, W, ...) of one padded copy.
    """
    height, width = x.shape[1:3]
    x = F.pad(x, (0, 0) * (x.dim() - 3) + (1, 1, 1, 1))
    return (x[:, i : i + height, j : j + width] for i in range(3) for j in range(3))
