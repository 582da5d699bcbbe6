"""RoIAlign against a loop over samples, at sizes and regions that are awkward."""

import math

import pytest
import torch

from classification.mmcv_ops import roi_align
from classification.mmcv_ops.roi_align import roi_align_backward, roi_align_forward

# In the map, over its border on each side, wholly outside, without area, and of another image.
ROIS = torch.tensor(
    [
        [0.0, 3.2, 5.1, 20.7, 17.9],
        [0, -9.0, -7.0, 8.0, 6.0],
        [1, 20.0, 15.0, 60.0, 50.0],
        [1, 200.0, 200.0, 240.0, 230.0],
        [0, 7.0, 7.0, 7.0, 7.0],
        [0, 0.0, 0.0, 27.5, 21.0],
    ],
    dtype=torch.float64,
)
SCALE = 0.5


@pytest.fixture
def maps():
    torch.manual_seed(0)
    return torch.randn(2, 3, 11, 14, dtype=torch.float64)


def bilinear(image, y, x):
    """(C,) at a point, by the definition."""
    _, height, width = image.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return torch.zeros(len(image), dtype=image.dtype)
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    value = 0
    for row, at_row in ((top, 1 - y + top), (min(top + 1, height - 1), y - top)):
        for column, at_column in ((left, 1 - x + left), (min(left + 1, width - 1), x - left)):
            value = value + image[:, row, column] * at_row * at_column
    return value


def naive(maps, size, ratio, mode, aligned):
    """All regions pooled, sample by sample."""
    pooled = []
    for image, *corners in ROIS.tolist():
        x1, y1, x2, y2 = (SCALE * side - 0.5 * aligned for side in corners)
        width, height = (max(side, 0 if aligned else 1) for side in (x2 - x1, y2 - y1))
        step_y, step_x = height / size[0], width / size[1]
        ny, nx = (ratio or math.ceil(step) for step in (step_y, step_x))
        for i in range(size[0]):
            for j in range(size[1]):
                values = [
                    bilinear(
                        maps[int(image)],
                        y1 + (i + (a + 0.5) / ny) * step_y,
                        x1 + (j + (b + 0.5) / nx) * step_x,
                    )
                    for a in range(ny)
                    for b in range(nx)
                ] or [torch.zeros(maps.shape[1], dtype=maps.dtype)]
                values = torch.stack(values)
                pooled.append(values.mean(0) if mode == 'avg' else values.max(0)[0])
    return torch.stack(pooled).view(len(ROIS), *size, -1).permute(0, 3, 1, 2)


def pool(maps, grad, size, ratio, mode, aligned, rois=ROIS):
    """Result and gradient at the maps."""
    output = maps.new_zeros(len(rois), maps.shape[1], *size)
    places = torch.zeros_like(output), torch.zeros_like(output)
    settings = (*size, SCALE, ratio, {'max': 0, 'avg': 1}[mode], aligned)
    roi_align_forward(maps, rois, output, *places, *settings)
    grad_input = torch.zeros_like(maps)
    roi_align_backward(grad, rois, *places, grad_input, *settings)
    return output, grad_input


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('ratio', [0, 1, 3])
@pytest.mark.parametrize('size', [(1, 1), (5, 3), (7, 7)])
def test_samples(maps, size, ratio, mode, aligned):
    grad = torch.randn(len(ROIS), 3, *size, dtype=maps.dtype)
    output, grad_input = pool(maps, grad, size, ratio, mode, aligned)
    maps.requires_grad_()
    expected = naive(maps, size, ratio, mode, aligned)
    torch.testing.assert_close(output, expected)
    (expected_grad,) = torch.autograd.grad(expected, maps, grad)
    torch.testing.assert_close(grad_input, expected_grad)


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_maps_in_channels_last(maps, mode):
    """mmcv's compiled RoIAlign reads their memory as if it were contiguous: noise, no error."""
    grad = torch.randn(len(ROIS), 3, 4, 4, dtype=maps.dtype)
    expected = pool(maps, grad, (4, 4), 0, mode, True)
    maps = maps.to(memory_format=torch.channels_last)
    assert not maps.is_contiguous()
    for actual, reference in zip(pool(maps, grad, (4, 4), 0, mode, True), expected, strict=True):
        torch.testing.assert_close(actual, reference)


@pytest.mark.parametrize(
    'mode, dtype', [('avg', torch.float16), ('avg', torch.bfloat16), ('max', torch.float16)]
)
def test_low_precision_is_computed_in_fp32(maps, mode, dtype):
    maps = maps.to(dtype)
    grad = torch.randn(len(ROIS), 3, 4, 4).to(dtype)
    expected = pool(maps.float(), grad.float(), (4, 4), 0, mode, True)
    for actual, reference in zip(pool(maps, grad, (4, 4), 0, mode, True), expected, strict=True):
        # argmax_y and argmax_x are kept in the maps' precision, as in mmcv.
        tolerance = {} if mode == 'avg' else dict(rtol=0.02, atol=0.02)
        torch.testing.assert_close(actual.float(), reference.to(dtype).float(), **tolerance)


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_no_regions(maps, mode):
    rois = ROIS[:0]
    output, grad_input = pool(maps, maps.new_zeros(0, 3, 4, 4), (4, 4), 0, mode, True, rois)
    assert output.shape == (0, 3, 4, 4)
    assert not grad_input.any()


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('portion', [1, 1 << 26])
def test_deterministic_gradient(maps, ratio, aligned, portion, monkeypatch):
    """The form for deterministic CUDA is the same gradient, in portions of any size."""
    monkeypatch.setattr(roi_align, '_LIMIT', portion)
    grad = torch.randn(len(ROIS), 3, 5, 3, dtype=maps.dtype)
    expected = pool(maps, grad, (5, 3), ratio, 'avg', aligned)[1]
    actual = roi_align.by_matrices_backward(grad, ROIS, maps.shape, SCALE, ratio, aligned)
    torch.testing.assert_close(actual, expected)


def test_deterministic_gradient_takes_little_memory(monkeypatch):
    """No tensor is larger than the limit and the result, however many regions there are.

    torchvision's own deterministic form takes tens of gigabytes for those of a whole detector.
    """
    shape = (1, 8, 100, 152)
    monkeypatch.setattr(roi_align, '_LIMIT', 8 * 100 * 152)
    rois = torch.rand(512, 5) * 300
    rois[:, 0] = 0
    rois[:, 3:] = rois[:, 1:3] + 1 + torch.rand(512, 2) * 100

    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                self.elements = max(self.elements, result.numel())
            return result

    grad = torch.rand(512, 8, 7, 7)
    with Largest() as largest:
        roi_align.by_matrices_backward(grad, rois, shape, 0.25, 0, True)
    spread = grad.numel() * shape[3] // 7  # what all regions at once would take
    assert largest.elements <= max(roi_align._LIMIT, grad.numel()) < spread
