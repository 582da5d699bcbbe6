"""The plot of differences."""

import pytest

from classification.visualization.intervals import intervals


@pytest.mark.parametrize(
    'value, colour',
    [((2, 1, 3), '#0072b2'), ((-2, -3, -1), '#d55e00'), ((0, -1, 1), '#8a949e')],
)
def test_the_colour_says_on_which_side_of_0_the_interval_lies(value, colour):
    drawn = intervals({'cat': value}, 'b against a', 'points')
    others = {'#0072b2', '#d55e00', '#8a949e'} - {colour}
    assert colour in drawn and not any(other in drawn for other in others)


@pytest.mark.parametrize('name', ['<script>', '$\\frac{1}{', '猫', '\ud800', '_hidden', 'x' * 90])
def test_names_are_only_text(name):
    drawn = intervals({name: (0, -1, 1), 'cat': (1, 0, 2)}, name, 'points')
    assert '<script' not in drawn and 'cat' in drawn and 'x' * 70 not in drawn
