"""Neighbourhood attention: every token of an image reads the k x k tokens around it.

Source: Hassani et al., "Neighborhood Attention Transformer" (CVPR 2023), and with a dilation
Hassani and Shi, "Dilated Neighborhood Attention Transformer" (2022), where a token reads every d-th
of the tokens around it. At the border the window is shifted inwards, so that all tokens read k x k.

The two axes are alike and independent. Along one, the positions r, r + d, r + 2 d, ... form a
class, whose members read each other alone. A class is cut into tiles of k positions, which together
read within 2 k - 1 others. So a tile of k x k queries and the (2 k - 1) x (2 k - 1) keys around it
are one masked product of matrices: memory is linear in the image's size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def neighbourhood_attention(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor, dilation: int = 1
) -> Tensor:
    """softmax(q k^T / sqrt(c) + bias) v over the neighbours of each token.

    Args:
        q, k, v: (B, H, W, heads, c); H and W are at least kernel * dilation.
        bias: of relative positions, rows first, (heads, 2 kernel - 1, 2 kernel - 1).
        dilation: distance of neighbours.

    Returns:
        (B, H, W, heads, c).
    """
    height, width = q.shape[1:3]
    kernel = (bias.shape[-1] + 1) // 2
    rows, relative_rows = tiles_of_axis(height, kernel, dilation, q.device)
    cols, relative_cols = tiles_of_axis(width, kernel, dilation, q.device)
    tiles = rows.shape[0], cols.shape[0]

    def queries(x: Tensor) -> Tensor:  # (B, tiles and heads, kernel^2, c)
        down, right = (count * kernel - s for count, s in zip(tiles, (height, width), strict=True))
        x = F.pad(x, (0, 0, 0, 0, 0, right, 0, down))
        x = x.unflatten(2, (-1, kernel, dilation)).unflatten(1, (-1, kernel, dilation))
        return x.permute(0, 3, 1, 6, 4, 7, 2, 5, 8).flatten(6, 7).flatten(1, 5)

    def keys(x: Tensor) -> Tensor:  # (B, tiles and heads, (2 kernel - 1)^2, c)
        x = x.index_select(1, rows.flatten()).index_select(2, cols.flatten())
        x = x.unflatten(2, cols.shape).unflatten(1, rows.shape)
        return x.permute(0, 1, 3, 5, 2, 4, 6).flatten(4, 5).flatten(1, 3)

    mask = bias_of_tiles(bias.to(q.dtype), relative_rows, relative_cols)
    y = F.scaled_dot_product_attention(queries(q), keys(k), keys(v), mask)
    classes = (dilation, tiles[0] // dilation, dilation, tiles[1] // dilation)
    y = y.unflatten(2, (kernel, kernel)).unflatten(1, (*classes, -1))
    y = y.permute(0, 2, 6, 1, 4, 7, 3, 5, 8).flatten(4, 6).flatten(1, 3)
    return y[:, :height, :width]


def tiles_of_axis(
    size: int, kernel: int, dilation: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Which positions of an axis the queries of its tiles read.

    Tiles are in the order of their classes; the queries of a tile of class r are r + g d for the
    next `kernel` numbers g, of which the last tiles' may lie beyond the axis.

    Args:
        size: positions, at least kernel * dilation.
        kernel: neighbours of a position, itself among them.
        dilation: their distance.
        device: of the tables.

    Returns:
        Positions of the keys around each tile (tiles, 2 kernel - 1); relative position of each
        query and key, from 0 to 2 kernel - 2, or -1 where the query does not read the key,
        (tiles, kernel, 2 kernel - 1).
    """
    tiles = -(-size // (dilation * kernel))  # of each class
    residue = torch.arange(dilation, device=device)[:, None, None, None]
    count = (size - residue + dilation - 1) // dilation  # members of the class
    # Numbers within the class from here on, (classes, tiles, queries, keys).
    first = kernel * torch.arange(tiles, device=device)[:, None, None]
    query = first + torch.arange(kernel, device=device)[:, None]
    start = (query - kernel // 2).clamp(min=0).minimum(count - kernel)
    reach = 2 * kernel - 1
    key = (first - kernel // 2).minimum(count - reach).clamp(min=0)
    key = key + torch.arange(reach, device=device)
    reads = (key >= start) & (key < start + kernel)
    relative = torch.where(reads, key - query + kernel - 1, -1)
    # A query beyond its class is cut off at the end; until then it reads something, or it is NaN.
    relative = torch.where(query < count, relative, 0)
    positions = (residue + key * dilation).clamp(max=size - 1)
    return positions.flatten(0, 2), relative.flatten(0, 1)


def bias_of_tiles(bias: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """What is added to the scores of each tile, -inf where a query does not read a key.

    Args:
        bias: (heads, 2 kernel - 1, 2 kernel - 1).
        rows, cols: relative positions of both axes, from `tiles_of_axis`.

    Returns:
        (tiles and heads, kernel^2, (2 kernel - 1)^2).
    """
    # By products with rows of the unit matrix, whose gradient needs no scattered sums.
    reach = torch.arange(bias.shape[-1], device=bias.device)
    of_rows, of_cols = ((x[..., None] == reach).to(bias.dtype) for x in (rows, cols))
    scores = torch.einsum('yimr,hrs,xjns->yxhijmn', of_rows, bias, of_cols)
    reads = (rows >= 0)[:, None, None, :, None, :, None] & (cols >= 0)[:, None, None, :, None, :]
    return scores.masked_fill(~reads, -torch.inf).flatten(5, 6).flatten(3, 4).flatten(0, 2)
