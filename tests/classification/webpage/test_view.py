"""webpage/view.py: what the viewer in the browser is given, read as it reads it."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image

from classification.results import ClassMap, Scores
from classification.serving.replies import to_json
from classification.webpage.view import files, thumbnail, view
from tests.results import NAMES, PALETTE, class_map, instances, scores


def content(address):
    head, data = address.split(',')
    return head, base64.b64decode(data)


def texts_at(pointed):
    """(height, width) text for each point, as viewer.js reads it."""
    ids = np.frombuffer(zlib.decompress(base64.b64decode(pointed['ids'])), '<u2')
    return np.array(pointed['texts'])[ids.reshape(pointed['height'], pointed['width'])]


@pytest.mark.parametrize('make', [scores, instances, class_map])
def test_the_picture_is_that_of_the_result(make):
    value = view(make())
    json.dumps(value)  # Gradio sends it so
    head, jpeg = content(value['picture'])
    shown, drawn = Image.open(io.BytesIO(jpeg)), make().draw(0.0)
    assert head == 'data:image/jpeg;base64' and shown.size == drawn.size
    difference = np.abs(np.asarray(shown, float) - np.asarray(drawn, float))
    assert difference.mean() < 8


def test_a_large_picture_is_reduced_but_saved_whole():
    large = Scores(np.zeros((500, 2000, 3), np.uint8), NAMES, PALETTE, np.array([0.2, 0.5, 0.3]))
    assert Image.open(io.BytesIO(content(view(large)['picture'])[1])).size == (1600, 400)
    assert Image.open(io.BytesIO(content(files(large, 'png')[1])[1])).size == (2000, 500)


def test_what_is_measured_is_said():
    said = [view(make())['measure'] for make in (scores, instances, class_map)]
    assert said == ['score', 'score', 'share of the pixels']


def test_rows_are_sorted():
    assert view(scores())['rows'] == [
        ('dog', 0.7, '#00ff00'),
        ('owl', 0.2, '#0000ff'),
        ('cat', 0.1, '#ff0000'),
    ]
    assert view(instances())['rows'] == [('cat', 0.9, '#ff0000'), ('owl', 0.6, '#0000ff')]
    assert view(class_map())['rows'] == [
        ('cat', 799 / 1200, '#ff0000'),
        ('owl', 400 / 1200, '#0000ff'),
    ]


def test_rows_beyond_those_shown_are_counted():
    many = instances().select(np.arange(25) % 2)
    assert len(view(many)['rows']) == 20 and view(many)['more'] == 5


def test_the_surest_object_is_pointed_at():
    texts = texts_at(view(instances())['pointed'])
    expected = np.full((30, 40), '', object)
    expected[:12, 10:30] = 'owl 0.60'
    expected[:, :20] = 'cat 0.90'
    assert (texts == expected).all()


def test_of_boxes_the_smallest_is_pointed_at():
    texts = texts_at(view(instances(masks=False))['pointed'])
    expected = np.full((30, 40), '', object)
    expected[:, :20] = 'cat 0.90'
    expected[:12, 10:30] = 'owl 0.60'
    assert (texts == expected).all()


@pytest.mark.parametrize('size', [(30, 40), (1023, 1), (1025, 30), (7, 3000)])
def test_a_map_is_pointed_at_everywhere(size):
    labels = np.random.default_rng(0).integers(-1, 4, size)
    result = ClassMap(np.zeros((*size, 3), np.uint8), NAMES, PALETTE, labels)
    texts = texts_at(view(result)['pointed'])
    step = -(-max(size) // 1024)
    names = np.array([*NAMES, '', ''])  # one beyond the classes, and -1
    assert (texts == names[labels[::step, ::step]]).all()


def test_nothing_of_an_image_as_a_whole_is_pointed_at():
    assert view(scores())['pointed'] is None


@pytest.mark.parametrize('make', [scores, instances, class_map])
def test_files(make):
    suffix, address = files(make(), 'json')
    assert suffix == '.json' and json.loads(content(address)[1]) == to_json(make(), 0.0, None)
    suffix, address = files(make(), 'png')
    pixels = np.asarray(Image.open(io.BytesIO(content(address)[1])))
    assert suffix == '.png' and (pixels == np.asarray(make().draw(0.0))).all()


def test_thumbnail():
    small = Image.open(io.BytesIO(content(thumbnail(Image.new('RGBA', (300, 200))))[1]))
    assert small.size == (96, 64)
