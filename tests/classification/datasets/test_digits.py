"""How digits are drawn: ink that stands out and stays visible, plain ink, names and colours."""

import numpy as np
from sklearn.datasets import load_digits

from classification.datasets import digits


def test_every_digit_drawn_keeps_most_of_its_ink():
    images = load_digits().images
    settings = digits.Settings(min_height=40)
    for seed in range(5):

        def owners(count, seed=seed):
            rng = np.random.default_rng(seed)
            return digits.render(96, images[seed : seed + count], settings, rng)[1]

        # The first k digits are drawn alike however many follow, so each is seen whole as the last.
        final = owners(6)
        assert (final >= 0).any()
        for position in np.unique(final[final >= 0]):
            whole = (owners(position + 1) == position).sum()
            assert (final == position).sum() >= digits.MIN_VISIBLE * whole


def test_ink_stands_out_from_what_it_covers():
    images = load_digits().images
    for seed in range(5):
        picture, owners = digits.render(
            64, images[[seed]], digits.Settings(clutter=0.0), np.random.default_rng(seed)
        )
        grey = picture @ digits.LUMA
        assert abs(grey[owners == 0].mean() - grey[owners < 0].mean()) > digits.MIN_CONTRAST / 2


def test_plain_digits_are_white_ink_on_black():
    picture, owners = digits.render(
        32,
        load_digits().images[[3]],
        digits.Settings(plain=1, min_height=18, max_height=28),
        np.random.default_rng(0),
    )
    assert (picture[..., 0] == picture[..., 1]).all() and (picture[..., 0] == picture[..., 2]).all()
    assert picture[owners == 0].mean() > 200
    assert picture[owners < 0].mean() < 20
    assert (picture[0] == 0).all() or (picture[-1] == 0).all()


def test_every_class_has_a_name_and_a_colour():
    assert len(digits.CLASSES) == len(set(digits.PALETTE)) == 10
    assert len(digits.SEG_CLASSES) == len(set(digits.SEG_PALETTE)) == 11
