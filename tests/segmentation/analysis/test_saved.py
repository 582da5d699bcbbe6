"""Maps from two folders."""

import numpy as np
import pytest
from PIL import Image

from classification.engine.errors import DataError
from segmentation.analysis.counting import class_iou, count_pixels
from segmentation.analysis.saved import read_map_results


@pytest.fixture
def maps(tmp_path):
    """Two truths and what was found, in folders `truth` and `out/masks`."""
    rng = np.random.default_rng(0)
    made = rng.integers(0, 3, (2, 2, 20, 30))
    made[0, 0, :3] = 255
    for i in range(2):
        for folder, labels in (('truth', made[0, i]), ('out/masks', made[1, i])):
            write(tmp_path / folder / 'city' / f'{i}.png', labels)
    return made


def write(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint8)).save(path)


def test_the_iou_is_that_of_the_maps(maps, tmp_path):
    run = read_map_results(tmp_path / 'out', tmp_path / 'truth')
    counts = sum(count_pixels(*maps[:, i], 3) for i in range(2))
    assert run.metrics['mIoU'] == pytest.approx(100 * class_iou(counts).mean())
    assert run.name == 'out' and run.analysis.classes == ['0', '1', '2'] and run.picture is None
    text = ''.join(part for section in run.analysis.sections(None) for part in section.content)
    assert 'Left out: it needs scores of pixels' in text


def test_labels_from_1_on(maps, tmp_path):
    for i in range(2):
        labels = np.where(maps[0, i] == 255, 0, maps[0, i] + 1)
        write(tmp_path / 'truth' / 'city' / f'{i}.png', labels)
    run = read_map_results(tmp_path / 'out', tmp_path / 'truth', reduce_zero_label=True)
    counts = sum(count_pixels(*maps[:, i], 3) for i in range(2))
    np.testing.assert_array_equal(run.analysis.counts, counts)


def test_images_of_another_suffix_are_shown(maps, tmp_path):
    for i in range(2):
        path = tmp_path / 'images' / 'city' / f'{i}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (30, 20)).save(path)
    run = read_map_results(
        tmp_path / 'out', tmp_path / 'truth', tmp_path / 'images', ['a', 'b', 'c']
    )
    assert run.picture(1).shape == (20, 30, 3)
    drawn = run.analysis.draw(1, run.picture(1))
    assert drawn.width * 20 == 3 * drawn.height * 30


@pytest.mark.parametrize(
    'labels, message',
    [
        (np.zeros((5, 5)), 'has another size'),
        (np.full((20, 30), 3), 'has the class 3'),
        (np.zeros((20, 30, 3)), 'is a picture in colours'),
        (None, 'lacks 1 of the 2 images'),
    ],
)
def test_what_does_not_belong_together_is_refused(labels, message, maps, tmp_path):
    path = tmp_path / 'out' / 'masks' / 'city' / '0.png'
    path.unlink()
    if labels is not None:
        write(path, labels)
    with pytest.raises(DataError, match=message):
        read_map_results(tmp_path / 'out', tmp_path / 'truth', classes=['a', 'b', 'c'])
