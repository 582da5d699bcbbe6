"""RoIPool (Girshick, Fast R-CNN, ICCV 2015) and deformable RoI pooling (Dai et al., ICCV 2017)."""

from collections.abc import Callable

import torch
from torch import Tensor

from .bilinear import sample
from .gradient import computable, gradients


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """The largest value in each bin, whose borders are whole pixels.

    Not torchvision's operator, which rounds the borders where mmcv widens them to whole pixels.

    Args:
        input: (B, C, H, W).
        rois: (R, 5): position in the batch, then x1, y1, x2, y2 in pixels of the image.
        output: (R, C, pooled_height, pooled_width), filled; 0 in a bin without a pixel.
        argmax: int32 in the shape of `output`, filled with row * W + column of the value, or -1.
        spatial_scale: pixels of the map per pixel of the image.
    """
    height, width = input.shape[2:]
    corners = torch.cat([rois[:, 1:3], rois[:, 3:] + 1], dim=1) * spatial_scale
    x = _borders(corners[:, 0], corners[:, 2], pooled_width, width)
    y = _borders(corners[:, 1], corners[:, 3], pooled_height, height)
    output.zero_()
    argmax.fill_(-1)
    for r, image in enumerate(rois[:, 0].long().tolist()):
        for i, (top, bottom) in enumerate(y[r]):
            for j, (left, right) in enumerate(x[r]):
                if top >= bottom or left >= right:
                    continue
                value, position = input[image, :, top:bottom, left:right].flatten(1).max(1)
                row, column = position // (right - left), position % (right - left)
                output[r, :, i, j] = value
                argmax[r, :, i, j] = ((top + row) * width + left + column).to(argmax.dtype)


def _borders(start: Tensor, end: Tensor, bins: int, size: int) -> list[list[tuple[int, int]]]:
    """First and one past the last pixel of each bin of each region."""
    step = ((end - start) / bins)[:, None]
    number = torch.arange(bins, device=start.device)
    low = (number * step + start[:, None]).floor().clamp(0, size).long().tolist()
    high = ((number + 1) * step + start[:, None]).ceil().clamp(0, size).long().tolist()
    return [list(zip(*pair, strict=True)) for pair in zip(low, high, strict=True)]


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """The gradient at the maps, written into `grad_input`; arguments as `roi_pool_forward`."""
    batch, channels, height, width = grad_input.shape
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    pixel = plane[..., None, None] * (height * width) + argmax
    pooled = argmax >= 0
    flat = grad_output.new_zeros(grad_input.numel())
    flat.index_put_((pixel[pooled],), grad_output[pooled], accumulate=True)
    grad_input.copy_(flat.view_as(grad_input))


def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """The mean of samples in bins that are moved by learned offsets.

    Args:
        input: (B, C, H, W).
        rois: (R, 5): position in the batch, then x1, y1, x2, y2 in pixels of the image.
        offset: (R, 2, pooled_height, pooled_width), x then y in shares of the region, or empty.
        output: (R, C, pooled_height, pooled_width), filled.
        spatial_scale: pixels of the map per pixel of the image.
        sampling_ratio: samples per bin and axis; 0 takes one per pixel of the map.
        gamma: factor of the offsets.
    """
    pool = _deform_roi_pool(rois, output.shape, spatial_scale, sampling_ratio, gamma)
    output.copy_(pool(computable(input), computable(offset)))


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Gradients at maps and offsets, written into `grad_input` and `grad_offset`."""
    pool = _deform_roi_pool(rois, grad_output.shape, spatial_scale, sampling_ratio, gamma)
    maps, offset = computable(input), computable(offset)
    if offset.numel():
        of_maps, of_offset = gradients(pool, (maps, offset), grad_output)
        grad_offset.copy_(of_offset)
    else:
        (of_maps,) = gradients(lambda maps: pool(maps, offset), (maps,), grad_output)
    grad_input.copy_(of_maps)


def _deform_roi_pool(
    rois: Tensor, shape: torch.Size, spatial_scale: float, sampling_ratio: int, gamma: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """The function of maps and offsets that pools these regions."""
    rois = computable(rois)
    count, _, height, width = shape
    start = rois[:, [2, 1]] * spatial_scale - 0.5  # y, x
    size = rois[:, [4, 3]] * spatial_scale - 0.5 - start
    images = rois[:, 0].long()

    def pool(maps: Tensor, offset: Tensor) -> Tensor:
        regions = []
        for r in range(count):
            axes = []
            for axis, bins in enumerate((height, width)):
                step = size[r, axis] / bins
                number = sampling_ratio if sampling_ratio > 0 else max(int(step.ceil()), 0)
                within = (torch.arange(number).to(rois) + 0.5) / max(number, 1)
                axes.append(start[r, axis] + step * _grid(within, bins))
            y, x = axes
            y, x = y[:, None, :, None], x[None, :, None, :]  # bins, bins, samples, samples
            if offset.numel():
                y = y + (gamma * size[r, 0] * offset[r, 1])[..., None, None]
                x = x + (gamma * size[r, 1] * offset[r, 0])[..., None, None]
            y, x = torch.broadcast_tensors(y, x)
            values = sample(maps, images[r : r + 1], y.reshape(1, -1), x.reshape(1, -1))
            values = values.view(-1, height, width, y.shape[2] * y.shape[3])
            regions.append(values.sum(-1) / max(values.shape[-1], 1))
        return torch.stack(regions) if regions else maps.new_zeros(shape) + 0 * maps.sum()

    return pool


def _grid(within: Tensor, bins: int) -> Tensor:
    """(bins, samples) positions in bins."""
    return torch.arange(bins, device=within.device)[:, None] + within
