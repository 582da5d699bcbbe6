"""The band along a boundary, against its definition pixel by pixel."""

import numpy as np
import pytest

from classification.analysis.boundary import band_width, boundary_band


def reference(mask, width):
    """Pixels with one that is not of the mask, or the outside, in the square around them."""
    padded = np.pad(mask, width)
    band = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        band[y, x] = not padded[y : y + 2 * width + 1, x : x + 2 * width + 1].all()
    return band


@pytest.mark.parametrize('width', [1, 2, 5])
@pytest.mark.parametrize('shape', [(23, 17), (1, 9), (40, 40)])
def test_band(width, shape):
    rng = np.random.default_rng(0)
    mask = np.kron(rng.random((-(-shape[0] // 8), -(-shape[1] // 8))) < 0.7, np.ones((8, 8))) > 0
    mask = mask[: shape[0], : shape[1]]
    np.testing.assert_array_equal(boundary_band(mask, width), reference(mask, width))


def test_all_and_nothing():
    assert not boundary_band(np.zeros((9, 9), bool), 2).any()
    band = boundary_band(np.ones((9, 9), bool), 2)
    assert not band[2:-2, 2:-2].any() and band.sum() == 81 - 25


@pytest.mark.parametrize('shape, width', [((128, 128), 4), ((480, 640), 16), ((8, 8), 1)])
def test_width_is_two_per_cent_of_the_diagonal(shape, width):
    assert band_width(shape) == width
