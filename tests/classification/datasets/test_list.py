"""classification/datasets/list.py: lists of images, with numbers or names of classes."""

import pytest

from classification.engine.errors import DataError
from tests.helpers import image_dataset, listing


def listed(folder, text, **kwargs):
    (folder / 'list.txt').write_text(text)
    return image_dataset(folder, 'ImageList', ann_file='list.txt', **kwargs)


def test_lists(folder):
    names = listed(folder, 'b/2.png wolf\n\n  a/deep/1.jpg\tbear \na/2.jpg wolf\n')
    assert names.metainfo['classes'] == ['bear', 'wolf']
    assert listing(names) == [('b/2.png', 1), ('a/deep/1.jpg', 0), ('a/2.jpg', 1)]
    assert names[0]['inputs'].shape == (3, 32, 32) and names[0]['targets'] == 1

    (folder / 'with space.png').write_bytes((folder / 'b/2.png').read_bytes())
    numbers = listed(folder, f'with space.png 2\n{folder}/a/2.jpg 0')
    assert numbers.metainfo['classes'] == ['0', '1', '2']
    assert [label for _, label in listing(numbers)] == [2, 0]
    named = listed(folder, 'a/2.jpg 1', metainfo=dict(classes=['x', 'y', 'z']))
    assert named.metainfo['classes'] == ['x', 'y', 'z'] and listing(named) == [('a/2.jpg', 1)]


@pytest.mark.parametrize(
    'text, classes, message',
    [
        ('', None, 'list.txt lists no image: expected'),
        ('a/2.jpg 0\nb/2.png', None, r'list.txt has no label in line 2 \(b/2.png\)'),
        ('a/2.jpg 3', ['x', 'y'], 'list.txt has label 3, metainfo names 2 classes'),
        ('a/2.jpg 100000000', None, 'list.txt has label 100000000: labels are positions'),
        ('a/2.jpg ' + '9' * 5000, None, 'list.txt has label 99999999999999999999: labels are'),
        ('a/2.jpg ' + '9' * 5000, ['x'], 'list.txt has label 9+, metainfo names 1 classes'),
        ('a/2.jpg -1', None, 'list.txt has label -1: labels are numbers from 0 on'),
        ('a/2.jpg ²', None, 'list.txt has label ²: labels are numbers from 0 on'),
        ('a/2.jpg 0\nb/2.png cat', None, 'list.txt has label 0: labels are numbers'),
        ('a/2.jpg cat', ['x', 'y'], 'list.txt/cat is none of the 2 classes'),
    ],
)
def test_bad_lists(folder, text, classes, message):
    with pytest.raises(DataError, match=message):
        listed(folder, text, **(dict(metainfo=dict(classes=classes)) if classes else {}))


def test_names_of_classes_may_look_like_numbers(folder):
    dataset = listed(folder, 'a/2.jpg 7\nb/2.png cat', metainfo=dict(classes=['cat', '7']))
    assert [label for _, label in listing(dataset)] == [1, 0]
    zeros = listed(folder, 'a/2.jpg 007\nb/2.png 1')
    assert [label for _, label in listing(zeros)] == [7, 1]


def test_a_list_that_is_missing(folder):
    with pytest.raises(DataError, match='none.txt cannot be read as a list of images'):
        image_dataset(folder, 'ImageList', ann_file='none.txt')
