"""classification/annotations/split.py and checks/duplicates.py."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from classification.annotations.checks.duplicates import groups, near_duplicates
from classification.annotations.records import AnnotatedImage, Annotations, Instance
from classification.annotations.split import source_of, split_images
from classification.engine.errors import UsageError
from tests.helpers import picture


def photo(seed):
    """A picture (300, 400, 3) of smooth patches, as different for each seed as photos are."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((400, 300), Image.Resampling.BICUBIC)


COPIES = {
    'jpeg': lambda image, path: image.save(path.with_suffix('.jpg'), quality=30),
    'smaller': lambda image, path: image.resize((133, 100)).save(path.with_suffix('.png')),
    'darker': lambda image, path: image.point(lambda v: 0.7 * v).save(path.with_suffix('.png')),
    'turned': lambda image, path: turned(image).save(path.with_suffix('.jpg'), exif=exif()),
}


def turned(image):
    return image.transpose(Image.Transpose.ROTATE_90)


def exif():
    data = Image.Exif()
    data[0x0112] = 6
    return data


@pytest.mark.parametrize('kind', COPIES)
def test_copies_are_found_and_others_are_not(tmp_path, kind):
    for seed in range(20):
        photo(seed).save(tmp_path / f'{seed:02}.png')
    COPIES[kind](photo(7), tmp_path / 'copy')
    paths = sorted(tmp_path.iterdir())
    assert near_duplicates(paths) == [(7, 20)]


def test_flat_damaged_and_deep_pictures(tmp_path):
    for name in 'ab':
        Image.new('RGB', (40, 40), 'white').save(tmp_path / f'{name}.png')
        (tmp_path / f'{name}.jpg').write_text('no image')
    for seed in (1, 2, 2):
        values = np.asarray(photo(seed).convert('L'), np.uint16) * 200
        Image.fromarray(values).save(tmp_path / f'z{len([*tmp_path.iterdir()])}.png')
    assert near_duplicates(sorted(tmp_path.iterdir())) == [(5, 6)]
    assert near_duplicates([]) == []


def test_groups_hang_together():
    assert groups(6, [(4, 5), (1, 2), (2, 4)]) == [0, 1, 1, 3, 1, 1]


@pytest.mark.parametrize(
    'one, other, same',
    [
        ('a/x_jpg.rf.1f2e.jpg', 'b/x_jpg.rf.99ab.jpg', True),
        ('x_jpg.rf.1f2e.jpg', 'y_jpg.rf.1f2e.jpg', False),
        ('clip_mp4-12.jpg', 'clip_mp4-13.jpg', True),
        ('clip_mp4-12_jpg.rf.1f.jpg', 'clip_mp4-13_jpg.rf.2f.jpg', True),
        ('walk_frame_0001.png', 'walk_frame_0100.png', True),
        ('walk_frame_0001.png', 'ride_frame_0001.png', False),
        ('a/frame_01.png', 'a/frame_02.png', True),
        ('a/frame_01.png', 'b/frame_02.png', False),
        ('IMG_0001.jpg', 'IMG_0002.jpg', False),
        ('a/x.jpg', 'b/x.jpg', False),
    ],
)
def test_sources_by_name(one, other, same):
    root = Path('/data')
    assert (source_of(root / one, root) == source_of(root / other, root)) is same


def dataset(root, labels, splits=None, names=None):
    """Images of noise with one object of each label that is listed for them."""
    images = []
    for index, listed in enumerate(labels):
        path = root / (names[index] if names else f'{index:03}.png')
        picture(path, seed=index)
        instances = [Instance(label, (0, 0, 9, 9)) for label in listed]
        split = splits[index] if splits else None
        images.append(AnnotatedImage(path, (40, 36), instances, split=split))
    count = max((label for listed in labels for label in listed), default=0) + 1
    return Annotations('coco', root, [f'class {n}' for n in range(count)], images)


def splits(annotations):
    return [image.split for image in annotations.images]


@pytest.mark.parametrize('seed', [0, 1])
def test_each_class_is_divided_alike(tmp_path, seed):
    labels = [[0]] * 40 + [[1]] * 20 + [[0, 2]] * 10
    annotations = dataset(tmp_path, labels)
    split_images(annotations, seed)
    found = splits(annotations)
    assert found.count('val') == pytest.approx(14, abs=1)
    for start, end in ((0, 40), (40, 60), (60, 70)):
        share = found[start:end].count('val') / (end - start)
        assert share == pytest.approx(0.2, abs=0.051)
    again = dataset(tmp_path, labels)
    split_images(again, seed)
    assert splits(again) == found
    split_images(other := dataset(tmp_path, labels), seed + 10)
    assert splits(other) != found


def test_one_source_and_copies_stay_together(tmp_path):
    names = [f'{n // 3}_jpg.rf.{n:02x}.png' for n in range(30)] + ['a.png', 'b.png']
    annotations = dataset(tmp_path, [[0]] * 32, names=names)
    picture(tmp_path / 'b.png', seed=30)  # as a.png
    split_images(annotations)
    found = splits(annotations)
    assert all(len({*found[n : n + 3]}) == 1 for n in range(0, 30, 3))
    assert found[30] == found[31] and {*found} == {'train', 'val'}
    assert any('stay together' in note for note in annotations.notes)


@pytest.mark.parametrize('labels', [[[0], [0]], [[0], []], [[], []], [[0], [1]]])
def test_two_images(tmp_path, labels):
    annotations = dataset(tmp_path, labels)
    split_images(annotations)
    assert sorted(splits(annotations)) == ['train', 'val']


@pytest.mark.parametrize('labels', [[], [[0]]])
def test_fewer_than_two_are_refused(tmp_path, labels):
    with pytest.raises(UsageError, match='two are the least'):
        split_images(dataset(tmp_path, labels))


def test_a_class_of_one_image_is_trained_on_and_said(tmp_path):
    annotations = dataset(tmp_path, [[0]] * 9 + [[0, 1]])
    split_images(annotations)
    assert annotations.images[9].split == 'train'
    assert any('class 1: trained on and not validated' in note for note in annotations.notes)


def test_frames_of_one_film_are_divided_and_said(tmp_path):
    names = [f'frame_{n:03}.png' for n in range(10)]
    annotations = dataset(tmp_path, [[0]] * 10, names=names)
    split_images(annotations)
    assert splits(annotations).count('val') == 2
    assert any('of one source' in note for note in annotations.notes)


@pytest.mark.parametrize(
    'given, expected, words',
    [
        (['train', 'train', 'val', None], ['train', 'train', 'val', None], 'belong to no split'),
        (['train', 'val', 'val', 'test'], ['train', 'val', 'val', 'test'], 'is kept'),
    ],
)
def test_a_split_that_is_given_is_kept(tmp_path, given, expected, words):
    annotations = dataset(tmp_path, [[0]] * 4, given)
    split_images(annotations)
    assert splits(annotations) == expected
    assert any(words in note for note in annotations.notes)


def test_a_test_set_is_kept_where_validation_is_missing(tmp_path):
    annotations = dataset(tmp_path, [[0]] * 12, ['train'] * 10 + ['test'] * 2)
    split_images(annotations)
    assert splits(annotations)[10:] == ['test', 'test'] and splits(annotations).count('val') == 2
    assert any('no validation set' in note for note in annotations.notes)


@pytest.mark.parametrize('given', [['val', 'val'], ['test', 'test']])
def test_nothing_to_train_on_is_refused(tmp_path, given):
    with pytest.raises(UsageError, match='none to train on'):
        split_images(dataset(tmp_path, [[0], [0]], given))
