"""The paired bootstrap, on simulated runs whose true difference is known."""

import numpy as np
import pytest

from classification.analysis.bootstrap import difference, draw_images, mean_known


def right(rng, images, shares=(0.7, 0.8)):
    """Which images two runs get right, that find the same ones hard: (2, images).

    Args:
        shares: those that they get right, of any number of images.
    """
    hard = rng.random(images)
    luck = rng.random((2, images))
    # The sum of two equal dice of this kind is below x with a probability of 1 - (2 - x)^2 / 2.
    return hard + luck < 2 - np.sqrt(2 * (1 - np.array(shares)))[:, None]


def top1(hits, counts):
    return hits @ counts / counts.sum(axis=0)


def test_the_first_column_is_the_set_itself_and_all_have_its_size():
    counts = draw_images(30, 50, seed=3)
    assert counts.shape == (30, 51)
    assert (counts[:, 0] == 1).all() and (counts.sum(axis=0) == 30).all()
    assert len({column.tobytes() for column in counts.T}) == 51
    np.testing.assert_array_equal(counts, draw_images(30, 50, seed=3))
    assert (counts != draw_images(30, 50, seed=4)).any()


def test_identical_runs_do_not_differ():
    counts = draw_images(50, 100)
    values = top1(right(np.random.default_rng(0), 50)[0], counts)
    change = difference(values, values)
    assert change == (0, 0, 0) and not change.is_distinct


@pytest.mark.parametrize('order', [1, -1])
def test_a_run_that_is_better_is_told(order):
    one, two = right(np.random.default_rng(0), 1000, (0.7, 0.85))[::order]
    counts = draw_images(1000, 300)
    change = difference(top1(one, counts), top1(two, counts))
    assert change.is_distinct
    assert change.low < order * 0.15 < change.high
    assert change.value == pytest.approx(two.mean() - one.mean())


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(0)
    counts = draw_images(200, 400)
    covered = 0
    for _ in range(400):
        one, two = right(rng, 200)
        change = difference(top1(one, counts), top1(two, counts))
        covered += change.low <= 0.8 - 0.7 <= change.high
    assert 0.91 <= covered / 400 <= 0.98


def test_a_pair_is_compared_image_by_image():
    """Two runs with nearly the same mistakes differ with more certainty than independent ones."""
    rng, counts = np.random.default_rng(0), draw_images(500, 300)
    one = rng.random(500) < 0.7
    same = one | (rng.random(500) < 0.1)
    paired = difference(top1(one, counts), top1(same, counts))
    mixed = difference(top1(one, counts), top1(rng.permutation(same), counts))
    assert paired.high - paired.low < 0.6 * (mixed.high - mixed.low)


def test_resamples_without_a_value_are_left_out():
    nan = np.nan
    change = difference(np.array([0.5, nan, 0.4, 0.4]), np.array([0.6, 0.9, 0.5, nan]))
    assert change == pytest.approx((0.1, 0.1, 0.1))
    for values in ([nan, 1, 1], [1, nan, nan]):
        assert np.isnan(difference(np.array(values, float), np.ones(3))).all()
        assert not difference(np.array(values, float), np.ones(3)).is_distinct


def test_mean_over_what_is_known():
    values = np.array([[1, np.nan, np.nan], [0, 0.5, np.nan]])
    np.testing.assert_array_equal(mean_known(values), [0.5, 0.5, np.nan])
