"""Canvases of two digits: what is drawn is what is said of it."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from classification.datasets.digit_pairs import CELL, DigitPairs
from classification.datasets.digits_files import split_samples


def cell(image, at):
    row, column = (CELL * int(x) for x in at)
    return image[0, row : row + CELL, column : column + CELL]


@pytest.mark.parametrize('split, side', [('train', 2), ('val', 5)])
def test_cells_hold_samples_of_the_split_and_nothing_else_is_drawn(split, side):
    samples = load_digits()
    known = {
        samples.images[i].tobytes(): int(samples.target[i])
        for i in split_samples(samples, seed=0)[split]
    }
    drawn = DigitPairs(split, side, seed=3).draw(50)
    assert drawn.images.shape == (50, 1, CELL * side, CELL * side)
    for image, cells, digits in zip(drawn.images, drawn.cells, drawn.digits, strict=True):
        inks = [cell(image, at).double() * 16 for at in cells]
        assert [known[ink.numpy().tobytes()] for ink in inks] == digits.tolist()
        assert image.sum() == sum(ink.sum() for ink in inks) / 16


def test_places_and_digits_are_uniform():
    drawn = DigitPairs('train', 3, seed=0).draw(4000)
    places = 3 * drawn.cells[..., 0] + drawn.cells[..., 1]
    assert (places[:, 0] != places[:, 1]).all()
    pairs = np.bincount((9 * places[:, 0] + places[:, 1]).numpy(), minlength=81).reshape(9, 9)
    assert pairs[~np.eye(9, dtype=bool)].min() > 30  # 56 are expected
    assert torch.bincount(drawn.digits.flatten(), minlength=10).min() > 700  # 800 are expected


def test_offsets_are_those_to_the_other_digit():
    drawn = DigitPairs('train', 4, seed=0).draw(5)
    offsets = drawn.offsets()
    assert torch.equal(drawn.cells[:, 0] + offsets[:, 0], drawn.cells[:, 1])
    assert torch.equal(offsets[:, 0], -offsets[:, 1])


def test_seeds_and_splits_differ_and_repeat():
    first, again, other, test = (
        DigitPairs(*args).draw(4).images
        for args in [('train', 4, 0), ('train', 4, 0), ('train', 4, 1), ('val', 4, 0)]
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, test)
