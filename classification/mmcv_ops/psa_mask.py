"""The attention mask of PSANet (Zhao et al., ECCV 2018): relative positions made absolute."""

import torch
from torch import Tensor


def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Write the mask around each pixel to the pixels that it means.

    Args:
        input: (B, h_mask * w_mask, h_feature, w_feature): for each pixel a mask around it.
        output: (B, h_feature * w_feature, h_feature, w_feature), filled; 0 where no mask reaches.
        psa_type: 0 collects (the last two axes are the pixel that owns the mask), 1 distributes
            (they are the pixel that the mask means).
    """
    relative, owner, meant = _pairs(
        h_feature, w_feature, h_mask, w_mask, half_h_mask, half_w_mask, input.device
    )
    flat = output.view(num_, h_feature * w_feature, h_feature * w_feature)
    first, last = (meant, owner) if psa_type == 0 else (owner, meant)
    flat[:, first, last] = input.flatten(2)[:, relative, owner]


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """The gradient at the masks, into `grad_input`; arguments as `psamask_forward`."""
    relative, owner, meant = _pairs(
        h_feature, w_feature, h_mask, w_mask, half_h_mask, half_w_mask, grad_output.device
    )
    first, last = (meant, owner) if psa_type == 0 else (owner, meant)
    grad_input.flatten(2)[:, relative, owner] = grad_output.flatten(2)[:, first, last]


def _pairs(
    height: int,
    width: int,
    h_mask: int,
    w_mask: int,
    half_h: int,
    half_w: int,
    device: torch.device,
) -> tuple[Tensor, ...]:
    """(position in the mask, pixel that owns it, pixel that it means), of all within the map."""
    grid = (torch.arange(n, device=device) for n in (height, width, h_mask, w_mask))
    row, column, i, j = torch.meshgrid(*grid, indexing='ij')
    meant_row, meant_column = row + i - half_h, column + j - half_w
    within = (meant_row >= 0) & (meant_row < height) & (meant_column >= 0) & (meant_column < width)
    pairs = (i * w_mask + j, row * width + column, meant_row * width + meant_column)
    return tuple(position[within] for position in pairs)
