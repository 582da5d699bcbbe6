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
        ('a/2.jpg cat', ['x', 'y'], 'list.txt/cat is none of the 2 classes'),
    ],
)
def test_bad_lists(folder, text, classes, message):
    with pytest.raises(DataError, match=message):
        listed(folder, text, **(dict(metainfo=dict(classes=classes)) if classes else {}))


def test_a_list_that_is_missing(folder):
    with pytest.raises(DataError, match='none.txt cannot be read as a list of images'):
        image_dataset(folder, 'ImageList', ann_file='none.txt')
