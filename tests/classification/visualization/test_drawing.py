"""classification/visualization/drawing.py: colours, sizes, pictures in a row."""

import cv2
import numpy as np
import pytest
from PIL import Image

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


@pytest.mark.parametrize(
    'size, drawn',
    [
        ((1, 5000), (1, 5000)),  # enlarged to 320 it would be 1.6 million pixels long
        ((50, 12000), (50, 12000)),
        ((70000, 3), (14000, 1)),
        ((100, 1000), (400, 4000)),
    ],
)
def test_a_strip_stays_within_what_jpeg_can_hold(size, drawn):
    picture = drawing.draw_text(np.zeros((*size, 3), dtype=np.uint8), ['a name'])
    assert picture.size == drawn[::-1]


@pytest.mark.parametrize('step', [1, 2, 3])
def test_masks_are_painted_on_a_reduced_image_where_they_are(step, monkeypatch):
    monkeypatch.setattr(drawing, '_LONGEST', 700 // step + 1)
    image = np.zeros((700, 500, 3), np.uint8)
    canvas, mask = drawing.Canvas(image), np.ones((101, 57), bool)
    assert canvas.scale == 1 / step
    canvas.paint(mask, (255, 255, 255), corner=(31, 47))
    rows, columns = canvas.pixels[..., 0].nonzero()
    assert rows.min() * step == pytest.approx(47, abs=step)
    assert (rows.max() + 1) * step == pytest.approx(47 + 101, abs=step)
    assert columns.min() * step == pytest.approx(31, abs=step)
    assert (columns.max() + 1) * step == pytest.approx(31 + 57, abs=step)


def test_eroding_is_opencvs():
    mask = np.random.default_rng(0).random((30, 40)) < 0.8
    expected = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    assert (drawing.erode(mask) == expected).all()


@pytest.mark.parametrize('longest', [100, 20])
def test_a_map_is_painted_as_its_masks_are(longest, monkeypatch):
    monkeypatch.setattr(drawing, '_LONGEST', longest)
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    labels = np.kron(random.integers(0, 4, (6, 8)), np.ones((5, 5), int))
    labels[labels == 3] = 255
    palette = [(255, 0, 0), (0, 255, 9), (30, 40, 50)]
    whole, one_by_one = drawing.Canvas(image), drawing.Canvas(image)
    whole.paint_map(labels, palette)
    for label, colour in enumerate(palette):
        one_by_one.paint(labels == label, colour)
    assert (whole.pixels == one_by_one.pixels).all()


@pytest.mark.parametrize('size', [(340, 330), (30, 40), (1, 1)], ids=str)
def test_a_mask_is_half_its_colour_and_outlined(size):
    """To the bit: means are rounded down, and nothing beside the mask changes."""
    random = np.random.default_rng(0)
    canvas = drawing.Canvas(random.integers(0, 256, (*size, 3), dtype=np.uint8))
    before, colour = canvas.pixels.astype(int), (255, 7, 130)
    mask = random.random(size) < 0.7
    canvas.paint(mask, colour)
    mask = mask.repeat(canvas.scale, 0).repeat(canvas.scale, 1)
    expected = np.where(mask[..., None], (before + colour) // 2, before)
    expected[mask & ~drawing.erode(mask)] = colour
    assert (canvas.pixels == expected).all()


def test_an_empty_mask_paints_nothing(image):
    canvas = drawing.Canvas(image)
    before = canvas.pixels
    canvas.paint(np.zeros((0, 5), bool), (1, 2, 3), (4, 4))
    assert (canvas.pixels == before).all()


@pytest.mark.parametrize('count', [1, 3, 300])
@pytest.mark.parametrize('dtype', [np.uint8, np.int16, np.uint16, np.int64])
def test_labels_of_any_type_are_painted_as_their_masks_are(dtype, count):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    labels = np.kron(random.integers(0, min(count + 2, 256), (6, 8)), np.ones((5, 5), int))
    labels = labels.astype(dtype)
    if np.issubdtype(dtype, np.signedinteger):
        labels[:9, :9] = -1
    palette = [tuple(colour) for colour in random.integers(0, 256, (count, 3)).tolist()]
    whole, one_by_one = drawing.Canvas(image), drawing.Canvas(image)
    whole.paint_map(labels, palette)
    for label in range(count):
        one_by_one.paint(labels == label, palette[label])
    assert (whole.pixels == one_by_one.pixels).all()


def boxes_of_labels(size, labels):
    """Where `draw_labels` fills boxes: (y1, y2, x1, x2) by colour, of labels that differ in it."""
    picture = Image.new('RGB', size, (9, 9, 9))
    drawing.draw_labels(picture, labels)
    pixels, found = np.asarray(picture), []
    for label in labels:
        rows, columns = (pixels == label.colour).all(axis=2).nonzero()
        found.append((rows.min(), rows.max(), columns.min(), columns.max()) if len(rows) else None)
    return found


COLOURS = [(200, i, 90) for i in range(0, 240, 20)]


@pytest.mark.parametrize('size', [(320, 320), (1280, 800), (4000, 2250)], ids=str)
def test_labels_of_one_place_stand_apart(size):
    """Eight boxes around one point: each label is beside the others and inside the picture."""
    width, height = size
    box = (0.4 * width, 0.4 * height, 0.9 * width, 0.8 * height)
    labels = [drawing.Label(box, f'name {i}', COLOURS[i]) for i in range(8)]
    found = boxes_of_labels(size, labels)
    for i, (top, bottom, left, right) in enumerate(found):
        assert 0 <= top < bottom < height and 0 <= left < right < width
        for other in found[:i]:
            apart = top >= other[1] or bottom <= other[0] or left >= other[3] or right <= other[2]
            assert apart, (i, found)
    assert found[0][1] == pytest.approx(box[1], abs=2)  # the first has the place above its box


def test_the_first_label_is_on_top_where_there_is_no_room():
    labels = [drawing.Label((0, 0, 10, 10), 'name', colour) for colour in COLOURS[:9]]
    found = boxes_of_labels((40, 20), labels)
    assert found[0] is not None


@pytest.mark.parametrize('corner', [(0, 0), (310, 0), (0, 310), (310, 310)])
def test_a_label_is_wholly_inside(corner):
    box = (*corner, corner[0] + 10, corner[1] + 10)
    (found,) = boxes_of_labels((320, 320), [drawing.Label(box, 'a long name', COLOURS[0])])
    top, bottom, left, right = found
    height, width = bottom - top, right - left
    text = drawing.text_size(Image.new('RGB', (320, 320)), 'a long name')
    assert (width, height) == pytest.approx((text[0] + 4, text[1] + 3), abs=1.5)


@pytest.mark.parametrize('side, width', [(320, 1), (1199, 1), (1200, 2), (2400, 4)])
def test_outlines_grow_with_the_picture(side, width):
    image = np.zeros((side, side, 3), np.uint8)
    mask = np.zeros((side, side), bool)
    mask[100:200, 100:200] = True
    one, whole = drawing.Canvas(image), drawing.Canvas(image)
    one.paint(mask, (255, 255, 255))
    whole.paint_map(np.where(mask, 0, 9), [(255, 255, 255)])
    for canvas in (one, whole):
        assert (canvas.pixels[150, :, 0] == 255).sum() == 2 * width
