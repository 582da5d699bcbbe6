"""From the pixels of images to a network's input, as an ONNX graph.

The arithmetic is that of the libraries which prepare images in testing, to the last bit: resizing
is OpenCV's bilinear one in fixed point, so that an exported model sees what the trained one saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from onnxscript import ir

from .operators import Operators, build

_FRACTION = 2**11  # OpenCV's weights of pixels are integers: 1 is 2048


@dataclass
class Pixels:
    """How an image becomes a network's input.

    Attributes:
        mean, std: of the three channels, in the network's order; see `unit`.
        unit: values are divided by 255 first.
        rgb: the network's order of channels, else BGR.
        resize: (long side, short side) within which the image is resized, its ratio kept; an int
            pair (width, height) with `keep_ratio` False; None leaves the size.
        keep_ratio: see `resize`.
        divisor: height and width are padded to a multiple of it, at the bottom and the right.
        pad_value: of the padding, after normalisation.
    """

    mean: Sequence[float] = (0.0, 0.0, 0.0)
    std: Sequence[float] = (1.0, 1.0, 1.0)
    unit: bool = False
    rgb: bool = True
    resize: tuple[int, int] | None = None
    keep_ratio: bool = True
    divisor: int = 1
    pad_value: float = 0.0


def network_size(pixels: Pixels, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the network's input for images of a size (height, width)."""
    if pixels.resize is None:
        height, width = size
    elif not pixels.keep_ratio:
        width, height = pixels.resize
    else:
        longest, shortest = max(pixels.resize), min(pixels.resize)
        scale = min(longest / max(size), shortest / min(size))
        height, width = (int(side * scale + 0.5) for side in size)
    divisor = pixels.divisor
    return height + -height % divisor, width + -width % divisor


def pixels_graph(pixels: Pixels, batch: int | str, size: Sequence[int | str]) -> onnx.ModelProto:
    """Images -> (x, shape, size).

    The input `images` is (B, H, W, 3) uint8 in RGB. Outputs: `x` (B, 3, h, w) float32; `shape` and
    `size`, (2,) int64, heights and widths of the images as resized and as given.

    Args:
        batch, size: B and (H, W), a name where it may change.
    """
    return build(partial(_write, pixels), {'images': ('uint8', [batch, *size, 3])})


def _write(pixels: Pixels, op: Operators, images: ir.Value) -> dict[str, ir.Value]:
    given = op.Shape(images, start=1, end=3)
    shape = given
    if pixels.resize is not None:
        shape = _resized_size(op, given, pixels)
        images = _resize(op, images, given, shape)
    x = op.Cast(images, to=ir.DataType.FLOAT)
    if not pixels.rgb:
        x = op.Gather(x, np.array([2, 1, 0], np.int64), axis=3)
    if pixels.unit:
        x = op.Div(x, np.float32(255))
    x = op.Div(op.Sub(x, np.array(pixels.mean, np.float32)), np.array(pixels.std, np.float32))
    x = op.Transpose(x, perm=[0, 3, 1, 2])
    if pixels.divisor > 1:
        x = _pad(op, x, shape, pixels)
    return dict(x=x, shape=op.Identity(shape), size=op.Identity(given))


def _resized_size(op: Operators, given: ir.Value, pixels: Pixels) -> ir.Value:
    """(2,) height and width after resizing, as mmcv's rescale_size computes them."""
    assert pixels.resize is not None
    if not pixels.keep_ratio:
        return op.Constant(value_ints=pixels.resize[::-1])
    size = op.Cast(given, to=ir.DataType.DOUBLE)
    longest, shortest = max(pixels.resize), min(pixels.resize)
    scale = op.Min(
        _divide(op, longest, op.ReduceMax(size, keepdims=1)),
        _divide(op, shortest, op.ReduceMin(size, keepdims=1)),
    )
    return op.Cast(op.Add(op.Mul(size, scale), np.float64(0.5)), to=ir.DataType.INT64)


def _divide(op: Operators, number: float, value: ir.Value) -> ir.Value:
    """`number` / `value`, in double precision.

    OpenVINO 2026.4 gives the inverse where a constant is divided, so that this one is computed.
    """
    return op.Div(op.Add(op.Sub(value, value), np.float64(number)), value)


def _resize(op: Operators, images: ir.Value, given: ir.Value, shape: ir.Value) -> ir.Value:
    """(B, h, w, 3) int32, as cv2.resize with INTER_LINEAR gives it for 8 bits.

    Rows are weighed first, then columns, each time with rounding to fewer bits. OpenCV's two
    directions differ at the border: outside of the image a column takes the border's whole weight,
    a row is the border's, twice, with both weights.
    """
    left, right, left_weight, right_weight = _neighbours(op, given, shape, axis=1, at_border=True)
    images = op.Cast(images, to=ir.DataType.INT32)
    x = op.Add(
        op.Mul(op.Gather(images, left, axis=2), op.Unsqueeze(left_weight, np.array([1], np.int64))),
        op.Mul(
            op.Gather(images, right, axis=2), op.Unsqueeze(right_weight, np.array([1], np.int64))
        ),
    )
    x = op.Div(x, np.int32(2**4))
    top, bottom, top_weight, bottom_weight = _neighbours(op, given, shape, axis=0, at_border=False)
    x = op.Add(
        _high_bits(op, x, top, top_weight),
        _high_bits(op, x, bottom, bottom_weight),
    )
    return op.Div(op.Add(x, np.int32(2)), np.int32(2**2))


def _high_bits(op: Operators, x: ir.Value, rows: ir.Value, weight: ir.Value) -> ir.Value:
    weighed = op.Mul(op.Gather(x, rows, axis=1), op.Unsqueeze(weight, np.array([1, 2], np.int64)))
    return op.Div(weighed, np.int32(2**16))


def _neighbours(
    op: Operators, given: ir.Value, shape: ir.Value, axis: int, at_border: bool
) -> tuple[ir.Value, ir.Value, ir.Value, ir.Value]:
    """The two old places of each new one along an axis, and their weights in fixed point.

    Args:
        at_border: give the border's pixel the whole weight where a place lies outside.
    """
    old = op.Gather(given, np.int64(axis), axis=0)
    new = op.Gather(shape, np.int64(axis), axis=0)
    numbers = op.Cast(op.Range(np.int64(0), new, np.int64(1)), to=ir.DataType.DOUBLE)
    zoom = op.Div(op.Cast(new, to=ir.DataType.DOUBLE), op.Cast(old, to=ir.DataType.DOUBLE))
    ratio = _divide(op, 1, zoom)
    places = op.Sub(op.Mul(op.Add(numbers, np.float64(0.5)), ratio), np.float64(0.5))
    places = op.Cast(places, to=ir.DataType.FLOAT)
    floor = op.Floor(places)
    share, first = op.Sub(places, floor), op.Cast(floor, to=ir.DataType.INT64)
    last = op.Sub(old, np.int64(1))
    if at_border:
        outside = op.Or(op.Less(first, np.int64(0)), op.GreaterOrEqual(first, last))
        share = op.Where(outside, np.float32(0), share)
    weights = [
        op.Cast(op.Round(op.Mul(part, np.float32(_FRACTION))), to=ir.DataType.INT32)
        for part in (op.Sub(np.float32(1), share), share)
    ]
    second = op.Add(first, np.int64(1))
    indices = [op.Max(op.Min(index, last), np.int64(0)) for index in (first, second)]
    return indices[0], indices[1], weights[0], weights[1]


def _pad(op: Operators, x: ir.Value, shape: ir.Value, pixels: Pixels) -> ir.Value:
    """`x` (B, 3, h, w) padded to multiples of the divisor."""
    divisor = np.array([pixels.divisor], np.int64)
    blocks = op.Div(op.Add(shape, np.array([pixels.divisor - 1], np.int64)), divisor)
    missing = op.Sub(op.Mul(blocks, divisor), shape)
    pads = op.Concat(np.zeros(6, np.int64), missing, axis=0)
    return op.Pad(x, pads, np.float32(pixels.pad_value))
