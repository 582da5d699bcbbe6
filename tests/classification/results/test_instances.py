"""classification/results/instances.py: what is painted where, labels inside, COCO's form."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from classification.results import Instances, Mask
from classification.results.rle import encode_rle

NAMES = ['a', 'a class with a long name']
PALETTE = [(255, 0, 0), (0, 0, 255)]


@pytest.fixture
def image():
    return np.full((40, 60, 3), 100, dtype=np.uint8)


@pytest.fixture
def two(image):
    masks = np.zeros((2, 40, 60), dtype=np.uint8)
    masks[0, 10:30, 10:30] = masks[1, 20:40, 20:50] = 1
    return Instances(
        image,
        NAMES,
        PALETTE,
        np.array([[10, 10, 30, 30], [20, 20, 50, 40.0]]),
        np.array([0, 1]),
        np.array([0.9, 0.8]),
        [Mask.of(mask) for mask in masks],
    )


def test_instances_are_painted_where_their_masks_are(two):
    picture = np.asarray(two.draw())
    assert tuple(picture[8 * 25, 8 * 25]) == (152, 25, 88)  # both: the surer one, red, on top
    assert tuple(picture[8 * 28, 8 * 40]) == (50, 50, 177)
    assert tuple(picture[5, 5]) == (100, 100, 100)
    assert (np.asarray(two.draw(0.85))[8 * 28, 8 * 40] == 100).all()


def test_instances_can_be_picked_and_counted(two):
    assert len(two) == 2 and two.counts() == {NAMES[0]: 1, NAMES[1]: 1}
    assert two.masks.shape == (2, 40, 60) and two.masks.sum() == 400 + 600
    surer = two.above(0.85)
    assert len(surer) == 1 and surer.labels.tolist() == [0] and surer.masks[0, 10, 10]
    assert two.select(np.array([1, 0])).scores.tolist() == [0.8, 0.9]
    assert two.is_bare(2) and not two.is_bare(0.85)
    none = two.above(2)
    assert none.masks.shape == (0, 40, 60) and none.to_coco() == [] and none.counts() == {}


def test_coco_annotations(two):
    first, second = two.to_coco(image_id=3, first_id=5)
    assert (first['id'], second['id'], first['image_id']) == (5, 6, 3)
    assert second['category_id'] == 2 and second['bbox'] == [20, 20, 30, 20]
    assert second['area'] == 600 and second['score'] == 0.8
    assert (coco_mask.decode(second['segmentation']) == two.masks[1]).all()


@pytest.mark.parametrize('corner', [(0, 0), (59, 39), (-9, 99)])
def test_labels_stay_inside(image, corner):
    box = np.array([[*corner, corner[0] + 9, corner[1] + 9]], dtype=float)
    picture = Instances(image, NAMES, PALETTE, box, np.array([1])).draw()
    blue = (np.asarray(picture) == (0, 0, 255)).all(axis=2)
    assert blue.sum() > 500  # the name's box, wholly there


def test_a_notebook_shows_a_picture(two):
    assert two._repr_png_().startswith(b'\x89PNG')


@pytest.mark.parametrize('seed', range(20))
def test_run_lengths_are_pycocotools(seed):
    random = np.random.default_rng(seed)
    size = tuple(random.integers(1, 80, 2))
    blocks = random.random((9, 9)) < random.choice([0, 0.1, 0.5, 0.9, 1])
    mask = np.kron(blocks, np.ones((9, 9), bool))[: size[0], : size[1]]
    expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode_rle(mask) == {'size': list(mask.shape), 'counts': expected['counts'].decode()}


@pytest.mark.parametrize('share', [0.2, 0.5, 0.9, 1])
def test_run_lengths_of_a_part_are_those_of_the_whole_mask(share):
    random = np.random.default_rng(0)
    for _ in range(200):
        height, width = size = tuple(random.integers(0, 7, 2).tolist())
        h, w = random.integers(0, height + 1), random.integers(0, width + 1)
        x, y = random.integers(0, width - w + 1), random.integers(0, height - h + 1)
        mask = Mask(random.random((h, w)) < share, (int(x), int(y)))
        assert encode_rle(mask.part, mask.corner, size) == encode_rle(mask.whole(size))


@pytest.mark.parametrize('seed', range(20))
def test_a_mask_keeps_its_pixels(seed):
    random = np.random.default_rng(seed)
    pixels = random.random((12, 17)) < random.choice([0, 0.01, 0.1, 1])
    assert (Mask.of(pixels).whole((12, 17)) == pixels).all()
    moved = Mask.of(pixels, (3, 2)).whole((20, 30))
    assert (moved[2:14, 3:20] == pixels).all() and moved.sum() == pixels.sum()
