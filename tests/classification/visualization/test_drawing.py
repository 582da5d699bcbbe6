"""classification/visualization/drawing.py: colours, sizes, pictures in a row."""

import numpy as np
import pytest

from classification.visualization import drawing


@pytest.fixture
def image():
    return np.full((40, 60, 3), 100, dtype=np.uint8)


def test_colours_are_the_palette_or_all_different():
    assert drawing.class_colours(dict(classes='ab', palette=[[1, 2, 3], [4, 5, 6], [7, 8, 9]])) == [
        (1, 2, 3),
        (4, 5, 6),
    ]
    colours = drawing.class_colours(dict(classes=range(150), palette=[[1, 2, 3]]))
    assert len(set(colours)) == 150
    assert all(0 <= part <= 255 for colour in colours for part in colour)


def test_a_small_picture_is_enlarged_and_a_large_one_is_not(image):
    assert drawing.draw_text(image, []).size == (480, 320)
    large = np.zeros((321, 400, 3), dtype=np.uint8)
    assert drawing.draw_text(large, []).size == (400, 321)


def test_pictures_stand_in_a_row(image):
    plain = np.asarray(drawing.draw_text(image, []))
    both = drawing.hstack(plain, plain)
    assert both.size == (960, 320)
