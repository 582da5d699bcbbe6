"""Curves as SVG."""

import re

import pytest

from classification.visualization.lines import curves, shorten


def test_the_same_figure_is_the_same_text():
    lines = {'a': ([0, 1], [0, 1])}
    assert curves(lines, 't', 'x') == curves(lines, 't', 'x')


@pytest.mark.parametrize('name, short', [('abc', 'abc'), ('abcdefg', 'abcd…')])
def test_shorten(name, short):
    assert shorten(name, 5) == short


def test_every_curve_is_in_the_legend():
    names = ['_hidden', '$x_{1', 'plain']
    text = curves({name: ([0, 1], [0, 1]) for name in names}, 't', 'x')
    assert set(names) <= {found.strip() for found in re.findall(r'>([^<]+)</text>', text)}


def test_steps_are_whole_numbers():
    text = curves({'a': ([1, 2], [0, 1])}, 't', 'x')
    assert '1.5' not in re.findall(r'>([^<]+)</text>', text)


def ticks(lines):
    text = curves(lines, 't', 'x', marker='o')
    return {float(t.replace('−', '-')) for t in re.findall(r'>([−\d.]+)</text>', text)}


def test_one_point_stands_among_whole_steps_and_nothing_is_below_zero():
    shown = ticks({'a': ([3], [0.0]), 'b': ([3], [0.0])})
    assert {2, 3, 4} <= shown and min(shown) >= 0
    assert min(ticks({'a': ([1, 2], [-1.0, 1.0])})) < 0
