"""Boundary IoU of maps, against its definition class by class."""

import numpy as np
import pytest

from classification.analysis.boundary import band_width, boundary_band
from segmentation.analysis.counting import count_boundaries


@pytest.mark.parametrize('seed', range(3))
def test_boundaries(seed):
    rng = np.random.default_rng(seed)
    truth, found = np.kron(rng.integers(0, 4, (2, 6, 8)), np.ones((9, 9), int))[:, :50, :70]
    truth[:9, :20] = 255
    ours = count_boundaries(truth, found, 5)
    for k in range(5):
        masks = [(labels == k) & (truth != 255) for labels in (truth, found)]
        one, two = (boundary_band(mask, band_width(truth.shape)) for mask in masks)
        assert ours[:, k].tolist() == [(one & two).sum(), (one | two).sum()]
    assert ours[:, 4].tolist() == [0, 0] and ours[0].sum() > 0


def test_the_same_map_has_a_boundary_iou_of_1():
    labels = np.kron(np.eye(3, dtype=int), np.ones((20, 20), int))
    both, either = count_boundaries(labels, labels, 2)
    assert (both == either).all() and (both > 0).all()


def test_pixels_without_a_class_count_for_nothing():
    truth = np.full((10, 10), 255)
    assert not count_boundaries(truth, np.zeros((10, 10), int), 3).any()
