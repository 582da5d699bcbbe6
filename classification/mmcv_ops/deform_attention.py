"""Multi-scale deformable attention (Zhu et al., Deformable DETR, ICLR 2021) off the CPU.

On a CPU mmcv itself computes it by PyTorch's `grid_sample`; the same formula serves everywhere.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .gradient import gradients


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Weighted samples of several maps.

    Args:
        value: (B, tokens of all levels, heads, D).
        value_spatial_shapes: (levels, 2), height and width.
        value_level_start_index: (levels,), unused.
        sampling_locations: (B, queries, heads, levels, points, 2), x and y from 0 to 1.
        attention_weights: (B, queries, heads, levels, points).
        im2col_step: unused.

    Returns:
        (B, queries, heads * D).
    """
    return _attend(value_spatial_shapes, value, sampling_locations, attention_weights)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Gradients at values, locations and weights; shapes as `ms_deform_attn_forward`."""
    found = gradients(
        lambda *inputs: _attend(value_spatial_shapes, *inputs),
        (value, sampling_locations, attention_weights),
        grad_output,
    )
    targets = (grad_value, grad_sampling_loc, grad_attn_weight)
    for target, gradient in zip(targets, found, strict=True):
        target.copy_(gradient)


def _attend(shapes: Tensor, value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    batch, _, heads, width = value.shape
    queries = locations.shape[1]
    sizes = shapes.tolist()
    grids = 2 * locations - 1  # grid_sample counts from -1 to 1
    levels = value.split([height * columns for height, columns in sizes], dim=1)
    samples = []
    for level, (height, columns) in enumerate(sizes):
        maps = levels[level].permute(0, 2, 3, 1).reshape(batch * heads, width, height, columns)
        grid = grids[:, :, :, level].transpose(1, 2).flatten(0, 1)  # (B * heads, queries, points)
        samples.append(F.grid_sample(maps, grid, padding_mode='zeros', align_corners=False))
    weights = weights.transpose(1, 2).reshape(batch * heads, 1, queries, -1)
    output = (torch.cat(samples, dim=-1) * weights).sum(-1)
    return output.view(batch, heads * width, queries).transpose(1, 2).contiguous()
