"""Colours of instances and colours for all eyes."""

import numpy as np
import pytest

from classification.visualization.colours import (
    choose_palette,
    instance_colours,
    safe_colours,
    shade,
)

PALETTE = [(200, 0, 0), (0, 90, 200)]


def boxes(*lefts):
    return np.array([(x, 10, x + 20, 30) for x in lefts], float)


def test_the_first_of_a_class_has_its_colour_and_others_a_shade():
    found = instance_colours(np.array([0, 1, 0]), boxes(50, 0, 9), PALETTE)
    assert found == [shade(PALETTE[0], 1), PALETTE[1], PALETTE[0]]


def test_colours_depend_on_no_order():
    """Whatever their scores and so their order: the same object, the same colour."""
    labels, where = np.array([0, 1, 0, 0, 1]), boxes(50, 0, 9, 70, 33)
    expected = instance_colours(labels, where, PALETTE)
    assert len(set(expected)) == 5
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(5)
        found = instance_colours(labels[order], where[order], PALETTE)
        assert found == [expected[i] for i in order]


def test_colours_stay_while_objects_move_a_little():
    labels, where = np.array([0, 0, 0]), boxes(50, 0, 100)
    moved = where + np.random.default_rng(0).uniform(-9, 9, (3, 1))
    assert instance_colours(labels, moved, PALETTE) == instance_colours(labels, where, PALETTE)


def test_no_instances_have_no_colours():
    assert instance_colours(np.zeros(0, int), np.zeros((0, 4)), PALETTE) == []


def test_safe_colours_are_okabes_and_itos():
    """Their table, black left out: Color Universal Design (2008)."""
    named = {(0, 114, 178), (213, 94, 0), (0, 158, 115), (230, 159, 0), (86, 180, 233)}
    assert set(safe_colours(7)) == named | {(204, 121, 167), (240, 228, 66)}
    assert len(set(safe_colours(35))) == 35


@pytest.mark.parametrize('name, expected', [('dataset', PALETTE), ('safe', safe_colours(2))])
def test_a_palette_is_chosen_by_name(name, expected):
    assert choose_palette(name, PALETTE) == expected
