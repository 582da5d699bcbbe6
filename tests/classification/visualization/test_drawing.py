"""classification/visualization/drawing.py: colours, what is painted where, labels inside."""

import numpy as np
import pytest
import torch
from PIL import Image

from classification.visualization import drawing

CLASSES = ['a', 'a class with a long name']
PALETTE = [(255, 0, 0), (0, 0, 255)]


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
    assert drawing.draw_classes(image, []).size == (480, 320)
    large = np.zeros((321, 400, 3), dtype=np.uint8)
    assert drawing.draw_classes(large, []).size == (400, 321)


def test_instances_are_painted_where_their_masks_are(image):
    masks = np.zeros((2, 40, 60), dtype=np.uint8)
    masks[0, 10:30, 10:30] = masks[1, 20:40, 20:50] = 1
    boxes = np.array([[10, 10, 30, 30], [20, 20, 50, 40.0]])
    picture = np.asarray(
        drawing.draw_instances(
            image, boxes, np.array([0, 1]), CLASSES, PALETTE, masks, np.array([0.9, 0.8])
        )
    )
    assert tuple(picture[8 * 25, 8 * 25]) == (152, 25, 88)  # both: the surer one, red, on top
    assert tuple(picture[8 * 28, 8 * 40]) == (50, 50, 177)
    assert tuple(picture[5, 5]) == (100, 100, 100)


def test_a_map_leaves_the_ignored_alone(image):
    labels = np.full((40, 60), 255)
    labels[:, 40:] = 1
    picture = np.asarray(drawing.draw_map(image, labels, CLASSES, PALETTE))
    assert (picture[:, : 8 * 20] == 100).all()
    assert tuple(picture[-20, -20]) == (50, 50, 177)


@pytest.mark.parametrize('corner', [(0, 0), (59, 39), (-9, 99)])
def test_labels_stay_inside(image, corner):
    box = np.array([[*corner, corner[0] + 9, corner[1] + 9]], dtype=float)
    picture = drawing.draw_instances(image, box, np.array([1]), CLASSES, PALETTE)
    blue = (np.asarray(picture) == (0, 0, 255)).all(axis=2)
    assert blue.sum() > 500  # the name's box, wholly there


def test_a_classifier_has_lines_and_the_truth(image):
    sample = dict(scores=torch.tensor([0.2, 0.8]), target=torch.tensor(0))
    plain = np.asarray(drawing.draw_classes(image, []))
    for draw in (drawing.draw_prediction, drawing.draw_truth):
        assert (np.asarray(draw(image, sample, CLASSES, PALETTE)) != plain).any()
    both = drawing.hstack(plain, plain)
    assert both.size == (960, 320)


def test_pictures_are_read_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new('L', (30, 20)).save(tmp_path / 'x.jpg', exif=exif)
    assert drawing.read_picture(tmp_path / 'x.jpg').shape == (30, 20, 3)
