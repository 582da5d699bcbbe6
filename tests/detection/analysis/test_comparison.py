"""One image, compared as in the report."""

import numpy as np
from PIL import ImageColor

from classification.results import Instances
from classification.visualization.page_style import BLUE, ORANGE, VERMILLION
from detection.analysis.comparison import draw_comparison

NAMES, PALETTE = ['a', 'b'], [(1, 2, 3), (4, 5, 6)]
GREY = '#808080'


def instances(*boxes, scores=None):
    """Of (label, x1, y1, x2, y2)."""
    rows = np.array(boxes, float).reshape(-1, 5)
    image = np.full((400, 400, 3), 255, np.uint8)
    scores = None if scores is None else np.array(scores, float)
    return Instances(image, NAMES, PALETTE, rows[:, 1:], rows[:, 0].astype(int), scores)


def test_each_object_has_the_colour_of_what_it_is():
    truth = instances((0, 20, 40, 120, 140), (1, 250, 250, 350, 350))
    found = instances(
        (0, 22, 40, 120, 140),  # right
        (1, 20, 240, 120, 340),  # on nothing
        (0, 250, 40, 350, 140),  # on the crowd
        (1, 250, 250, 350, 350),  # too unsure
        scores=[0.9, 0.8, 0.7, 0.1],
    )
    crowds = instances((0, 250, 40, 350, 140))
    drawn = np.asarray(draw_comparison(truth, found, crowds))
    assert drawn.shape == (400, 800, 3)

    def has(x, y, colour):
        return tuple(drawn[y, x].tolist()) == ImageColor.getrgb(colour)

    assert has(20, 90, BLUE) and has(250, 300, ORANGE) and has(250, 90, GREY)
    assert has(422, 90, BLUE) and has(420, 290, VERMILLION) and has(650, 90, GREY)
    assert (drawn[300, 640:700] == 255).all()


def test_an_image_without_anything_is_itself():
    drawn = np.asarray(draw_comparison(instances(), instances(scores=[])))
    assert drawn.shape == (400, 800, 3) and (drawn == 255).all()
