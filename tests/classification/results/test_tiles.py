"""classification/results/tiles.py: images cut into tiles give what the whole image holds."""

import numpy as np
import pytest

from classification.results import ClassMap, Instances, Mask
from classification.results.tiles import cut_tiles, merge

NAMES, PALETTE = ['a', 'b'], [(255, 0, 0), (0, 0, 255)]


@pytest.mark.parametrize('size', [(64, 64), (65, 64), (200, 31), (97, 333), (1000, 777)])
def test_tiles_cover_the_image_and_overlap(size):
    tiles = cut_tiles(*size, 64)
    seen = np.zeros(size, int)
    for tile in tiles:
        seen[tile.y1 : tile.y2, tile.x1 : tile.x2] += 1
        assert (tile.y2 - tile.y1, tile.x2 - tile.x1) == tuple(min(side, 64) for side in size)
    assert seen.min() == 1
    for axis in 'xy':
        spans = sorted({(getattr(t, f'{axis}1'), getattr(t, f'{axis}2')) for t in tiles})
        assert all(a[1] - b[0] >= 16 for a, b in zip(spans, spans[1:], strict=False))


def test_a_merged_map_is_the_map():
    labels = np.random.default_rng(0).integers(0, 2, (150, 201))
    image = np.zeros((150, 201, 3), np.uint8)
    parts = [
        (tile, ClassMap(tile.of(image), NAMES, PALETTE, tile.of(labels)))
        for tile in cut_tiles(150, 201, 64)
    ]
    assert (merge(image, parts).map == labels).all()


def perfect(tile, masks, labels, with_masks):
    """What a detector that makes no mistake says of a tile."""
    found = [(i, tile.of(mask)) for i, mask in enumerate(masks)]
    found = [(i, mask) for i, mask in found if mask.sum() > 5]
    boxes = []
    for _, mask in found:
        y, x = mask.nonzero()
        boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
    image = np.zeros((tile.y2 - tile.y1, tile.x2 - tile.x1, 3), np.uint8)
    return Instances(
        image,
        NAMES,
        PALETTE,
        np.array(boxes, float).reshape(-1, 4),
        np.array([labels[i] for i, _ in found], int),
        np.array([0.9 - i / 1000 for i, _ in found]),
        [Mask.of(mask) for _, mask in found] if with_masks else None,
    )


@pytest.mark.parametrize('with_masks', [True, False])
@pytest.mark.parametrize('seed', range(8))
def test_each_object_is_found_once(seed, with_masks):
    """Also those that several tiles cut, and one that is larger than any tile."""
    random = np.random.default_rng(seed)
    masks, free = [], np.ones((300, 420), bool)
    sizes = [(150, 20), (18, 200), *random.integers(8, 40, (30, 2)).tolist()]
    for height, width in sizes:
        y, x = random.integers(0, 300 - height), random.integers(0, 420 - width)
        box = np.s_[max(0, y - 3) : y + height + 3, max(0, x - 3) : x + width + 3]
        if free[box].all():
            free[box] = False
            masks.append(np.zeros((300, 420), bool))
            masks[-1][y : y + height, x : x + width] = True
    labels = random.integers(0, 2, len(masks))
    image = np.zeros((300, 420, 3), np.uint8)
    parts = [(t, perfect(t, masks, labels, with_masks)) for t in cut_tiles(300, 420, 96)]
    merged = merge(image, parts)
    assert len(merged) == len(masks)
    assert (np.diff(merged.scores) <= 0).all()
    whole = [mask.nonzero() for mask in masks]
    boxes = {(x.min(), y.min(), x.max() + 1, y.max() + 1): i for i, (y, x) in enumerate(whole)}
    for k, box in enumerate(merged.boxes.astype(int).tolist()):
        i = boxes.pop(tuple(box))
        assert merged.labels[k] == labels[i]
        if with_masks:
            assert (merged.cut_masks[k].whole((300, 420)) == masks[i]).all()


def test_neighbours_of_one_class_stay_apart():
    """Two objects that touch, in the overlap of two tiles and across its edges."""
    image = np.zeros((64, 112, 3), np.uint8)
    masks = np.zeros((2, 64, 112), bool)
    masks[0, 10:30, 40:60] = masks[1, 30:50, 40:60] = True
    parts = [(t, perfect(t, masks, [0, 0], True)) for t in cut_tiles(64, 112, 64)]
    assert len(parts) == 2 and [len(part) for _, part in parts] == [2, 2]
    assert len(merge(image, parts)) == 2


def test_nothing_found_is_nothing():
    image = np.zeros((100, 100, 3), np.uint8)
    parts = [(tile, perfect(tile, [], [], True)) for tile in cut_tiles(100, 100, 64)]
    merged = merge(image, parts)
    assert len(merged) == 0 and merged.masks.shape == (0, 100, 100)
