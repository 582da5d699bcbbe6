"""Bilinear sampling with the border rule of RoIAlign.

A point up to one pixel outside of the map has the value at the border, a point beyond is 0. The
centre of the first pixel is at 0.
"""

from torch import Tensor


def neighbours(position: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The two pixels beside each position along one axis, and their weights.

    Args:
        position: any shape, in pixels.
        size: pixels of the axis.

    Returns:
        low and high (int64), weight of low and weight of high, all in the shape of `position`.
    """
    inside = (position >= -1) & (position <= size)
    position = position.clamp(0, size - 1)
    low = position.detach().floor().long()
    high = (low + 1).clamp(max=size - 1)
    share = position - low
    return low, high, (1 - share) * inside, share * inside


def interpolation_matrix(position: Tensor, size: int) -> Tensor:
    """(…, S) positions -> (…, S, size): times values along the axis it gives those at S points."""
    low, high, at_low, at_high = neighbours(position, size)
    matrix = position.new_zeros(*position.shape, size)
    matrix.scatter_add_(-1, low[..., None], at_low[..., None])
    return matrix.scatter_add_(-1, high[..., None], at_high[..., None])


def sample(maps: Tensor, image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Values of maps at points.

    Args:
        maps: (B, C, H, W).
        image: (R,) int64, position in the batch of each group of points.
        y: (R, S) rows in pixels.
        x: (R, S) columns in pixels.

    Returns:
        (R, C, S).
    """
    height, width = maps.shape[2:]
    rows, columns = neighbours(y, height), neighbours(x, width)
    pixels = maps.permute(0, 2, 3, 1)
    value: Tensor | int = 0
    for row, at_row in zip(rows[:2], rows[2:], strict=True):
        for column, at_column in zip(columns[:2], columns[2:], strict=True):
            value = value + pixels[image[:, None], row, column] * (at_row * at_column)[..., None]
    return value.transpose(1, 2)  # type: ignore[union-attr]  # four neighbours are a tensor
