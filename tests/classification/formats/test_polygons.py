"""formats/polygons.py: annotations that tools read, and that hold the same objects."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from classification.formats.polygons import LabelmeFiles, YoloFiles, polygons
from classification.results import Instances, Mask

NAMES = ['cat', 'dog: large']


@pytest.fixture
def result():
    masks = np.zeros((3, 40, 60), bool)
    masks[0, 5:20, 10:30] = True
    masks[0, 30:36, 40:50] = True  # a second part
    masks[1, 10:40, 0:60] = True
    masks[2, 0:9, 0:9] = True
    boxes = np.array([[10, 5, 50, 36], [0, 10, 60, 40], [0, 0, 9, 9]], np.float32)
    return Instances(
        np.full((40, 60, 3), 7, np.uint8),
        NAMES,
        [(255, 0, 0), (0, 0, 255)],
        boxes,
        np.array([0, 1, 1]),
        np.array([0.9, 0.8, 0.1]),
        [Mask.of(mask) for mask in masks],
    )


def boxes_only(result):
    result.cut_masks = None
    return result


def filled(parts, size=(40, 60)):
    rles = coco_mask.frPyObjects([np.asarray(part).ravel().tolist() for part in parts], *size)
    return coco_mask.decode(coco_mask.merge(rles)).astype(bool)


@pytest.mark.parametrize('seed', range(3, 13))  # without holes
def test_outlines_hold_the_mask(seed, result):
    canvas = Image.new('1', (60, 40))
    points = np.random.default_rng(seed).integers(0, [60, 40], (5, 2))
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in points.tolist()], fill=1)
    mask = np.asarray(canvas)
    result.cut_masks = [Mask.of(mask)]
    again = filled([part for part in polygons(result, 0) if len(part) > 2])
    assert not (mask & ~again).any() and (again & ~mask).sum() <= 2


def test_yolo(result, tmp_path):
    writer = YoloFiles(tmp_path, NAMES, 0.3)
    writer.add('x.jpg', tmp_path / 'deep/x', result)
    writer.add('x.jpg', tmp_path / 'none', result.above(1))
    names = yaml.safe_load((tmp_path / 'data.yaml').read_text())['names']
    assert names == dict(enumerate(NAMES))
    lines = (tmp_path / 'labels' / tmp_path / 'deep/x.txt').read_text().splitlines()
    assert [line.split()[0] for line in lines] == ['0', '0', '1']
    parts = [np.array(line.split()[1:], float).reshape(-1, 2) * [60, 40] for line in lines]
    assert (filled(parts[:2]) == result.masks[0]).all()
    assert (tmp_path / 'none.txt').read_text() == ''


def test_yolo_boxes(result, tmp_path):
    YoloFiles(tmp_path, NAMES, 0.3).add('x.jpg', tmp_path / 'x', boxes_only(result))
    lines = (tmp_path / 'x.txt').read_text().splitlines()
    assert lines == ['0 0.5 0.5125 0.666667 0.775', '1 0.5 0.625 1 0.75']


@pytest.mark.parametrize('there', [True, False])
def test_labelme(there, result, tmp_path):
    if there:
        Image.fromarray(result.image).save(tmp_path / 'x.jpg')
    name = tmp_path / 'out/labelme/a/x'
    LabelmeFiles(tmp_path / 'out', NAMES, 0.3).add(str(tmp_path / 'x.jpg'), name, result)
    content = json.loads(name.with_suffix('.json').read_text())
    assert (content['imageHeight'], content['imageWidth']) == (40, 60)
    assert [shape['label'] for shape in content['shapes']] == ['cat', 'cat', 'dog: large']
    assert [shape['group_id'] for shape in content['shapes']] == [0, 0, 1]
    path = (name.parent / content['imagePath']).resolve()
    assert path == (tmp_path / 'x.jpg' if there else name.with_suffix('.png'))
    assert Image.open(path).size == (60, 40)


def test_labelme_boxes(result, tmp_path):
    LabelmeFiles(tmp_path, NAMES, 0.3).add('x.jpg', tmp_path / 'x', boxes_only(result))
    (first, _) = json.loads((tmp_path / 'x.json').read_text())['shapes']
    assert first['shape_type'] == 'rectangle' and first['points'] == [[10, 5], [50, 36]]
