"""What is measured besides."""

import pytest

from classification.analysis.collector import Collector


@pytest.mark.parametrize('seconds, expected', [([9.0, 0.1, 0.3, 0.2], 200), ([0.5], 500)])
def test_the_first_batch_warms_up(seconds, expected):
    collector = Collector()
    collector.seconds = seconds
    assert collector.milliseconds == pytest.approx(expected)
