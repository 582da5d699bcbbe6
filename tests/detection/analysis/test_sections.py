"""The sections, with whatever a dataset may hold."""

import re

import numpy as np
import pytest

from classification.visualization.page import page
from detection.analysis.coco_analysis import CocoAnalysis
from tests.scenes import IDS, annotation, scenes

NAMES = [
    '<script>alert(1)</script>',
    'x' * 300,
    '$\\frac{1}{',
    '猫 🐈',
    '_hidden',
    '\ud800',
    'a\nb',
]

NAN = re.compile(r'>[^<]*\bnan\b')


def text_of(truth, found, ids=IDS, kinds=('bbox', 'segm')):
    """The page of the sections, with pictures of all images."""
    image = np.full((200, 200, 3), 90, np.uint8)
    images = [one['id'] for one in truth['images']]
    analysis = CocoAnalysis(truth, found, ids, kinds, 0.3, images)
    return page('report', [], analysis.sections(lambda i: image))


@pytest.mark.parametrize('kinds', [['bbox'], ['bbox', 'segm']], ids='+'.join)
def test_all_sections(kinds):
    text = text_of(*scenes(), kinds=kinds)
    assert text.count('<svg') == 2 * len(kinds) + 1
    assert text.count('data:image/jpeg') >= 8
    assert ('mask AP' in text) == ('segm' in kinds)
    assert not NAN.search(text)


@pytest.mark.parametrize('name', NAMES)
def test_names_are_only_text(name):
    truth, found = scenes()
    truth['categories'][0]['name'] = name
    for image in truth['images']:
        image['file_name'] = name
    assert '<script' not in text_of(truth, found)


def without(*keys):
    def change(truth, found):
        for key in keys:
            (found if key == 'found' else truth['annotations']).clear()

    return change


def only_crowds(truth, found):
    for one in truth['annotations']:
        one['iscrowd'] = 1


@pytest.mark.parametrize(
    'change', [without('found'), without('truth'), without('found', 'truth'), only_crowds]
)
def test_nothing_to_find_or_nothing_found(change):
    truth, found = scenes()
    change(truth, found)
    assert not NAN.search(text_of(truth, found))


def test_one_class():
    truth, found = scenes()
    truth['categories'] = [dict(id=7, name='all')]
    for one in [*truth['annotations'], *found]:
        one['category_id'] = 7
    text = text_of(truth, found, ids=[7])
    assert 'Worst classes' not in text
    assert 'Most frequent confusions' not in text


def test_many_classes_are_shortened():
    truth, found = scenes()
    ids = list(range(1, 201))
    truth['categories'] = [dict(id=i, name=f'kind {i}') for i in ids]
    text = text_of(truth, found, ids=ids)
    assert '175 more' in text
    assert 'The 20 of 200 classes' in text
    assert text.count('<td') < 3000


def test_an_image_that_was_not_tested_is_not_drawn():
    truth, found = scenes()
    sections = CocoAnalysis(truth, found, IDS, ['bbox'], 0.3, []).sections(None)
    assert 'data:image' not in page('report', [], sections)


def test_a_tiny_box_and_a_polygon_beyond_the_image():
    truth, found = scenes(images=1)
    polygon = [[-5.0, -5.0, 250.0, -5.0, 250.0, 250.0]]
    truth['annotations'] = [
        dict(annotation(1, 7, [0, 0, 200, 200]), id=1, iscrowd=0, segmentation=polygon),
        dict(annotation(1, 3, [10, 10, 1, 1]), id=2, iscrowd=0, bbox=[10.2, 10.2, 0.3, 0.3]),
    ]
    assert 'data:image/jpeg' in text_of(truth, found)


def test_pictures_are_named_and_bare_ones_explained():
    truth, found = scenes()
    for image in truth['images']:
        image['file_name'] = f'/home/me/photos/a/{image["id"]}.jpg'
    text = text_of(truth, found)
    assert re.search(r'>\d+.jpg: F1', text) and '/home/me' not in text
    assert 'No detection has that score' not in text
    text = text_of(truth, [dict(one, score=0.1) for one in found])
    assert 'No detection has that score' in text
