"""Principal components as colours."""

import numpy as np
import torch

from classification.explanation.features import principal_colours


def test_colours_are_the_strongest_directions():
    """Three gradients of falling strength in orthogonal channels, and noise in none."""
    rows, columns = torch.meshgrid(
        torch.linspace(-1, 1, 20), torch.linspace(-1, 1, 30), indexing='ij'
    )
    features = torch.zeros(6, 20, 30)
    features[4], features[1], features[2] = 9 * columns, 3 * rows, rows * columns
    colours = principal_colours(features + 5)
    assert colours.shape == (20, 30, 3) and colours.dtype == np.uint8
    assert (np.diff(colours[3, :, 0].astype(int)) >= 0).all()  # red rises with the columns
    assert (np.diff(colours[:, 3, 1].astype(int)) >= 0).all()  # green with the rows
    assert (colours[:, :, 0] == colours[:1, :, 0]).all()
    assert colours.min() == 0 and colours.max() == 255


def test_even_features_are_one_colour():
    assert len(np.unique(principal_colours(torch.ones(4, 5, 6)))) == 1
