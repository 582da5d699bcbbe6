"""results/outlines.py: masks as polygons."""

import numpy as np
import pytest
from pycocotools import mask as coco

from classification.results import Mask
from classification.results.outlines import outlines


@pytest.mark.parametrize('seed', range(4))
def test_polygons_filled_again_hold_the_mask(seed):
    pixels = np.random.default_rng(seed).random((9, 12)) < 0.6
    drawn = np.zeros(pixels.shape, bool)
    for outline in outlines(Mask.of(pixels)):
        drawn |= coco.decode(coco.frPyObjects([outline.ravel().tolist()], 9, 12))[..., 0] > 0
    assert (drawn & pixels == pixels).all()


def test_holes_are_filled_and_parts_are_apart():
    pixels = np.zeros((8, 12), bool)
    pixels[1:6, 1:6] = True
    filled = pixels.copy()
    pixels[3, 3] = False
    pixels[4:7, 9] = filled[4:7, 9] = True
    parts = outlines(Mask.of(pixels))
    assert len(parts) == 2
    drawn = coco.decode(coco.frPyObjects([part.ravel().tolist() for part in parts], 8, 12))
    assert (drawn.any(axis=2) == filled).all()


def test_an_empty_mask_has_none():
    assert outlines(Mask.of(np.zeros((4, 5), bool))) == []
