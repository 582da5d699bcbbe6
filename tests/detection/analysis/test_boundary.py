"""Boundary IoU, against its definition on whole images."""

import numpy as np
import pytest

from classification.analysis.boundary import band_width, boundary_band
from detection.analysis.boundary import boundary_iou, mean_overlaps
from detection.analysis.coco import evaluate_coco
from tests.scenes import IDS, annotation, scenes


def blob(seed, shape=(90, 130)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    centre, radii = rng.uniform(0.3, 0.7, 2) * shape, rng.uniform(0.2, 0.5, 2) * shape
    return ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1


@pytest.mark.parametrize('seed', range(4))
def test_boundary_iou(seed):
    one, two = blob(seed), blob(seed + 10)
    bands = [boundary_band(mask, band_width(one.shape)) for mask in (one, two)]
    expected = (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()
    assert boundary_iou(one, two) == pytest.approx(expected)
    assert boundary_iou(one, one) == 1


def test_without_masks_it_is_0():
    assert boundary_iou(np.zeros((5, 5), bool), np.zeros((5, 5), bool)) == 0


def test_means_over_the_objects_that_were_found():
    truth, _ = scenes(images=1)
    large, small = [20, 20, 100, 100], [140, 140, 40, 40]
    truth['annotations'] = [
        dict(annotation(1, 7, box), id=i, iscrowd=0) for i, box in enumerate((large, small), 1)
    ]
    shifted = [24, 20, 100, 100]  # by as many pixels as the band is wide, in an image of 200 x 200
    found = [
        dict(annotation(1, 7, shifted), score=0.9),
        dict(annotation(1, 7, small), score=0.8),
        dict(annotation(1, 3, large), score=0.7),
    ]
    overlaps = mean_overlaps(evaluate_coco(truth, found, IDS, 'segm'), truth, found)
    assert overlaps.objects.tolist() == [2, 0, 0]
    width = band_width((200, 200))
    ring = 100**2 - (100 - 2 * width) ** 2
    # Above and below the bands share all but the shift; the upright sides share nothing else.
    rows, columns = 2 * width * (100 - 4), 2 * (width - 4) * (100 - 2 * width)
    common = rows + columns
    iou = 96 / 104
    assert overlaps.mask[0] == pytest.approx((iou + 1) / 2)
    assert overlaps.boundary[0] == pytest.approx((common / (2 * ring - common) + 1) / 2)
    assert np.isnan(overlaps.mask[1:]).all() and np.isnan(overlaps.boundary[1:]).all()
