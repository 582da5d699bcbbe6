"""RoIAlign (He et al., Mask R-CNN, ICCV 2017).

The mean of the samples in a bin is torchvision's operator, save where PyTorch is told to be
deterministic on CUDA: torchvision's kernel refuses there, and its own deterministic form takes tens
of gigabytes. `by_matrices` serves instead. The maximum of the samples exists in mmcv alone.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .bilinear import interpolation_matrix, neighbours
from .gradient import computable

# Elements of the largest intermediate tensor of `by_matrices` and of the maximum: 256 MB in fp32.
_LIMIT = 1 << 26


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Pool regions of maps into bins.

    Args:
        input: (B, C, H, W), of any memory format.
        rois: (R, 5): position in the batch, then x1, y1, x2, y2 in pixels of the image.
        output: (R, C, aligned_height, aligned_width), filled.
        argmax_y: in the shape of `output`, filled with rows of the largest sample, where the
            maximum is asked for; mmcv keeps them in the precision of the maps.
        argmax_x: its columns.
        spatial_scale: pixels of the map per pixel of the image.
        sampling_ratio: samples per bin and axis; 0 takes one per pixel of the map.
        pool_mode: 0 for the maximum, 1 for the mean of the samples of a bin.
        aligned: positions are half a pixel smaller, which is right; False is the first paper's.
    """
    if not len(rois):
        return
    maps, rois = computable(input), computable(rois)
    if pool_mode == 0:
        points = _points(
            rois, (aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned
        )
        for argmax in (argmax_y, argmax_x):
            argmax.fill_(-2)  # outside of the map, where a bin without a sample passes no gradient
        for members, y, x in points:
            _maximum(maps, rois, members, y, x, output, argmax_y, argmax_x)
    else:
        output.copy_(
            torch.ops.torchvision.roi_align(
                maps,
                rois.to(maps.dtype),
                spatial_scale,
                aligned_height,
                aligned_width,
                sampling_ratio,
                aligned,
            )
        )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """The gradient at the maps, written into `grad_input`; arguments as `roi_align_forward`."""
    if not len(rois):
        return
    grad, rois = computable(grad_output), computable(rois)
    if pool_mode == 0:
        grad_input.copy_(_maximum_backward(grad, rois, argmax_y, argmax_x, grad_input.shape))
    elif grad.is_cuda and torch.are_deterministic_algorithms_enabled():
        scale = (spatial_scale, sampling_ratio, aligned)
        grad_input.copy_(by_matrices_backward(grad, rois, grad_input.shape, *scale))
    else:
        grad_input.copy_(
            torch.ops.torchvision._roi_align_backward(
                grad,
                rois.to(grad.dtype),
                spatial_scale,
                aligned_height,
                aligned_width,
                *grad_input.shape,
                sampling_ratio,
                aligned,
            )
        )


def _points(
    rois: Tensor,
    bins: Sequence[int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Sample points of RoIs, those with equally many samples together.

    Yields:
        (positions in `rois` (r,), rows (r, bins, samples per bin), columns likewise).
    """
    corners = rois[:, 1:] * spatial_scale - 0.5 * aligned
    start = corners[:, [1, 0]]  # y, x
    size = corners[:, [3, 2]] - start
    if not aligned:
        size = size.clamp(min=1)
    count = rois.new_tensor(bins)
    if sampling_ratio > 0:
        samples = torch.full(size.shape, sampling_ratio, device=rois.device)
    else:
        samples = (size / count).ceil().long()
    for group in samples.unique(dim=0):
        members = (samples == group).all(1).nonzero().flatten()
        axes = []
        for axis, number in enumerate(group.tolist()):
            step = size[members, axis, None, None] / bins[axis]
            bin_ = torch.arange(bins[axis], device=rois.device)[:, None]
            within = torch.arange(number, device=rois.device) + 0.5
            # In mmcv's order of operations, which decides the last digit.
            axes.append(
                start[members, axis, None, None] + bin_ * step + within * step / max(number, 1)
            )
        yield members, *axes


def by_matrices_backward(
    grad: Tensor,
    rois: Tensor,
    shape: torch.Size,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """The gradient of the mean at maps of `shape`, by products of matrices: deterministic.

    Bilinear sampling and the mean are products with one matrix per axis, so that
    output = rows (bins, H) · map (H, W) · columns (W, bins), and the gradient is their transpose.
    RoIs are taken in portions that bound the memory.
    """
    channels, height, width = shape[1:]
    result = grad.new_zeros(shape)
    images = rois[:, 0].long()
    bins = tuple(grad.shape[2:])
    portion = max(1, _LIMIT // (channels * bins[0] * max(width, height)))
    for members, y, x in _points(rois, bins, spatial_scale, sampling_ratio, aligned):
        if not y.numel() or not x.numel():  # a region without area
            continue
        for part in torch.arange(len(members), device=rois.device).split(portion):
            rows = interpolation_matrix(y[part], height).mean(2)
            columns = interpolation_matrix(x[part], width).mean(2)
            selected = members[part]
            spread = grad[selected] @ columns[:, None].to(grad.dtype)  # (r, C, bins, W)
            for image in images[selected].unique():
                of_image = images[selected] == image
                result[image] += torch.einsum(
                    'rbh,rcbw->chw', rows[of_image].to(grad.dtype), spread[of_image]
                )
    return result


def _maximum(
    maps: Tensor,
    rois: Tensor,
    members: Tensor,
    y: Tensor,
    x: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
) -> None:
    """Fill in the largest sample of each bin of the RoIs `members`, and where it is."""
    if not y.numel() or not x.numel():
        return
    channels, height, width = maps.shape[1:]
    (bins_y, at_y), (bins_x, at_x) = y.shape[1:], x.shape[1:]
    points = bins_y * at_y * max(bins_x * at_x, width)
    for part in torch.arange(len(members), device=maps.device).split(
        max(1, _LIMIT // (channels * points))
    ):
        rows = interpolation_matrix(y[part].flatten(1), height).to(maps.dtype)
        columns = interpolation_matrix(x[part].flatten(1), width).to(maps.dtype)
        selected = members[part]
        values = rows[:, None] @ maps[rois[selected, 0].long()] @ columns[:, None].mT
        values = values.view(-1, channels, bins_y, at_y, bins_x, at_x)
        values = values.transpose(3, 4).flatten(4)
        largest, position = values.max(-1)
        output[selected] = largest.to(output.dtype)
        row, column = position // at_x, position % at_x
        r = torch.arange(len(selected), device=maps.device)[:, None, None, None]
        b_y = torch.arange(bins_y, device=maps.device)[:, None]
        b_x = torch.arange(bins_x, device=maps.device)
        argmax_y[selected] = y[part][r, b_y, row].to(argmax_y.dtype)
        argmax_x[selected] = x[part][r, b_x, column].to(argmax_x.dtype)


def _maximum_backward(
    grad: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, shape: torch.Size
) -> Tensor:
    """Give the gradient of each bin to the four pixels around its largest sample."""
    batch, channels, height, width = shape
    result = grad.new_zeros(batch * channels * height * width)
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    rows = neighbours(argmax_y.to(grad.dtype), height)
    columns = neighbours(argmax_x.to(grad.dtype), width)
    for row, at_row in zip(rows[:2], rows[2:], strict=True):
        for column, at_column in zip(columns[:2], columns[2:], strict=True):
            pixel = (plane[..., None, None] * height + row) * width + column
            share = grad * at_row * at_column
            result.index_put_((pixel.flatten(),), share.flatten(), accumulate=True)
    return result.view(shape)
