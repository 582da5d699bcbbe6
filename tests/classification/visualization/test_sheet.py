"""Sheets of pictures, and maps as colours."""

import numpy as np
import pytest
from PIL import Image

from classification.visualization.heat import colour_map, heat
from classification.visualization.sheet import Panel, fit, sheet


def plain(width, height, colour='red'):
    return Image.new('RGB', (width, height), colour)


@pytest.mark.parametrize('size', [(10, 20), (400, 30), (4000, 3000)], ids=str)
def test_a_picture_is_fitted_with_its_shape(size):
    found = fit(plain(*size), 100)
    assert max(found.size) == 100
    assert found.width / found.height == pytest.approx(size[0] / size[1], rel=0.1)


def test_columns_stand_below_each_other():
    rows = [
        [Panel(plain(10, 10, 'red'), 'a'), Panel(plain(20, 10, 'blue'), 'b\nc')],
        [Panel(plain(5, 10, 'lime'), ''), Panel(plain(20, 20, 'blue'), 'wider than its picture')],
    ]
    page = np.asarray(sheet(rows, side=40)).astype(int)
    blue = (page == (0, 0, 255)).all(axis=2)
    assert blue.sum() == 40 * 20 + 40 * 40
    assert len(np.unique(np.flatnonzero(blue.any(axis=0)))) == 40
    red, lime = ((page == colour).all(axis=2) for colour in ((255, 0, 0), (0, 255, 0)))
    assert np.flatnonzero(red.any(axis=0))[0] == np.flatnonzero(lime.any(axis=0))[0]
    assert np.flatnonzero(red.any(axis=1))[-1] < np.flatnonzero(lime.any(axis=1))[0]


def test_a_map_is_brightest_where_it_is_largest():
    values = np.array([[0, 1], [2, 5.0]])
    light = np.asarray(colour_map(values).convert('L')).astype(int)
    assert (np.argsort(light.ravel()) == np.argsort(values.ravel())).all()
    blocks = np.asarray(heat(values, plain(8, 6)))
    assert blocks.shape == (6, 8, 3)
    assert (blocks[:3, :4] == blocks[0, 0]).all() and (blocks[3:, 4:] == blocks[-1, -1]).all()


def test_a_signed_map_is_red_and_blue():
    red, _, blue = np.asarray(colour_map(np.array([[-2.0, 0, 1]])))[0].T.astype(int)
    assert blue[0] > red[0] and red[2] > blue[2] and abs(red[1] - blue[1]) < 10
    assert (np.asarray(colour_map(np.array([[-0.01, 1]])))[0, 0] < 10).all()  # not signed
    assert np.asarray(colour_map(np.zeros((2, 2)))).shape == (2, 2, 3)
