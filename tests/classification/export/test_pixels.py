"""export/pixels.py: the graph gives what mmcv and the data preprocessor give, to the bit."""

import itertools

import mmcv
import numpy as np
import onnxruntime
import pytest

from classification.export.pixels import Pixels, network_size, pixels_graph

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
SIZES = [(1, 1), (1, 7), (5, 900), (900, 5), (37, 53), (64, 64), (200, 131)]
# (long side, short side), from a reduction to an enlargement of each of SIZES.
SCALES = [(40, 30), (64, 64), (1333, 800), (300, 100)]


@pytest.fixture(scope='module')
def graphs():
    """A function: pixels, images -> (x, shape, size) of a graph for any size, kept."""
    kept = {}

    def run(pixels, images):
        key = repr(pixels)
        if key not in kept:
            graph = pixels_graph(pixels, 'batch', ('height', 'width'))
            kept[key] = onnxruntime.InferenceSession(graph.SerializeToString())
        return kept[key].run(['x', 'shape', 'size'], {'images': images})

    return run


def noise(height, width, batch=1):
    shape = (batch, height, width, 3)
    return np.random.default_rng(height * 1000 + width).integers(0, 256, shape, np.uint8)


def resized(image, pixels):
    """As mmdet's and mmseg's Resize."""
    if pixels.resize is None:
        return image
    if pixels.keep_ratio:
        return mmcv.imrescale(image, pixels.resize)
    return mmcv.imresize(image, pixels.resize)


def reference(image, pixels):
    """(x, shape) of an image (H, W, 3): resized by OpenCV, normalised in float32, padded."""
    image = resized(image, pixels)
    height, width = image.shape[:2]
    x = image[..., :: 1 if pixels.rgb else -1].astype(np.float32)
    x = x / np.float32(255) if pixels.unit else x
    x = (x - np.float32(pixels.mean)) / np.float32(pixels.std)
    bottom, right = -height % pixels.divisor, -width % pixels.divisor
    x = np.pad(x, [(0, bottom), (0, right), (0, 0)], constant_values=pixels.pad_value)
    return x.transpose(2, 0, 1), [height, width]


def assert_equal(graphs, pixels, images):
    x, shape, size = graphs(pixels, images)
    assert x.dtype == np.float32 and size.tolist() == [*images.shape[1:3]]
    assert x.shape[2:] == network_size(pixels, images.shape[1:3])
    for found, image in zip(x, images, strict=True):
        expected, expected_shape = reference(image, pixels)
        assert (found == expected).all()
        assert shape.tolist() == expected_shape


def is_possible(size, scale):
    """Whether OpenCV gives an image at all: no side is rounded to nothing."""
    return min(network_size(Pixels(MEAN, STD, resize=scale), size)) > 0


@pytest.mark.parametrize(
    'scale, size', [pair for pair in itertools.product(SCALES, SIZES) if is_possible(*pair[::-1])]
)
def test_within_a_scale(scale, size, graphs):
    assert_equal(graphs, Pixels(MEAN, STD, resize=scale), noise(*size))


@pytest.mark.parametrize('scale, size', [*itertools.product([(1, 1), (40, 30), (13, 222)], SIZES)])
def test_to_one_size(scale, size, graphs):
    assert_equal(graphs, Pixels(MEAN, STD, resize=scale, keep_ratio=False), noise(*size))


def test_every_ratio(graphs):
    """Widths around the image's own, where a rounding elsewhere would show."""
    images = noise(9, 23)
    for width in range(1, 80, 5):
        pixels = Pixels([0.0] * 3, [1.0] * 3, resize=(width, 11), keep_ratio=False)
        assert_equal(graphs, pixels, images)


@pytest.mark.parametrize('extreme', [0, 255])
def test_extreme_pixels_stay(extreme, graphs):
    pixels = Pixels([0.0] * 3, [1.0] * 3, resize=(61, 47), keep_ratio=False)
    x, *_ = graphs(pixels, np.full((1, 30, 90, 3), extreme, np.uint8))
    assert (x == extreme).all()


@pytest.mark.parametrize(
    'options',
    [
        dict(rgb=False),
        dict(unit=True),
        dict(resize=(50, 40)),
        dict(divisor=32),
        dict(divisor=32, pad_value=114.0),
        dict(divisor=7, resize=(50, 40), rgb=False, pad_value=-1.5),
    ],
    ids=str,
)
@pytest.mark.parametrize('size', [(32, 64), (37, 53)])
def test_normalisation_and_padding(options, size, graphs):
    mean = [0.485, 0.456, 0.406] if options.get('unit') else MEAN
    std = [0.229, 0.224, 0.225] if options.get('unit') else STD
    assert_equal(graphs, Pixels(mean, std, **options), noise(*size, batch=3))


def test_a_graph_of_one_size():
    pixels = Pixels(MEAN, STD, resize=(50, 40), divisor=32)
    graph = pixels_graph(pixels, 2, (37, 53))
    dims = [dim.dim_value for dim in graph.graph.input[0].type.tensor_type.shape.dim]
    assert dims == [2, 37, 53, 3]
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    assert_equal(lambda _, images: session.run(None, {'images': images}), pixels, noise(37, 53, 2))


def test_openvino(graphs):
    openvino = pytest.importorskip('openvino')
    pixels = Pixels(MEAN, STD, resize=(50, 40), divisor=32)
    graph = pixels_graph(pixels, 'batch', ('height', 'width'))
    model = openvino.Core().read_model(graph.SerializeToString())
    compiled = openvino.compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    for size in [(37, 53), (5, 90), (200, 131)]:
        images = noise(*size, batch=2)
        found, wanted = list(compiled([images]).values()), graphs(pixels, images)
        np.testing.assert_allclose(found[0], wanted[0], atol=1e-5)
        assert (found[1] == wanted[1]).all() and (found[2] == wanted[2]).all()
