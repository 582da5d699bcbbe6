"""Calibration, against its definition written as a loop."""

import numpy as np
import pytest

from classification.analysis.calibration import BINS, Calibration, calibration_report


def made(confidence, right):
    one = Calibration()
    one.add(np.asarray(confidence, float), np.asarray(right))
    return one


def reference(confidence, right):
    """Guo et al., equation 3: bins are open below and closed above."""
    error = 0.0
    for i in range(BINS):
        inside = (confidence > i / BINS) & (confidence <= (i + 1) / BINS)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            error += inside.sum() / len(confidence) * gap
    return error


@pytest.mark.parametrize('seed', range(3))
def test_expected_calibration_error(seed):
    rng = np.random.default_rng(seed)
    confidence = rng.random(501)
    right = rng.random(501) < confidence**2
    assert made(confidence, right).error() == pytest.approx(reference(confidence, right))


def test_parts_add_up_to_the_whole():
    rng = np.random.default_rng(0)
    confidence, right = rng.random(100), rng.random(100) < 0.5
    parts = made(confidence[:30], right[:30])
    parts.add(confidence[30:], right[30:])
    assert parts.error() == pytest.approx(made(confidence, right).error())


def test_scores_of_0_and_1_are_in_the_outer_bins():
    one = made([0, 1, 1], [False, True, False])
    assert one.counts[0] == 1 and one.counts[-1] == 2
    assert one.error() == pytest.approx(1 / 3)


def test_in_words():
    text = ''.join(calibration_report(made([0.9] * 4, [1, 1, 0, 0]), 'images', 'so'))
    assert '40.0 points too sure' in text and 'over 4 images' in text and 'Right means: so.' in text
    text = ''.join(calibration_report(made([0.4] * 4, [1, 1, 0, 0]), 'images', 'so'))
    assert '10.0 points too careful' in text


def test_nothing():
    assert np.isnan(Calibration().error())
    assert 'no predictions' in calibration_report(Calibration(), 'boxes', 'so')[0]
