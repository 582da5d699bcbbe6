"""annotations/layouts/folders.py: one folder per class, with and without splits."""

import pytest

from classification.annotations.layouts.folders import read_folders
from classification.engine.errors import DataError
from tests.helpers import picture


def listing(annotations):
    root = annotations.root
    return [
        (image.path.relative_to(root).as_posix(), annotations.classes[image.label], image.split)
        for image in annotations.images
    ]


def test_one_folder_per_class(tmp_path):
    for name in ('dog/a.png', 'cat/deep/b.JPG', 'cat/._b.png', '.hidden/c.png', '__MACOSX/d.png'):
        picture(tmp_path / name)
    result = read_folders(tmp_path)
    assert result.classes == ['cat', 'dog'] and not result.problems
    assert listing(result) == [('cat/deep/b.JPG', 'cat', None), ('dog/a.png', 'dog', None)]


def test_splits_above_the_classes(tmp_path):
    for name in ('Train/cat/a.png', 'Train/dog/b.png', 'valid/cat/c.png'):
        picture(tmp_path / name)
    result = read_folders(tmp_path)
    assert listing(result) == [
        ('Train/cat/a.png', 'cat', 'train'),
        ('Train/dog/b.png', 'dog', 'train'),
        ('valid/cat/c.png', 'cat', 'val'),
    ]


def test_problems_are_named(tmp_path):
    for name in ('cat/a.png', 'bird/a.png', 'top.png'):
        picture(tmp_path / name)
    (tmp_path / 'cat' / 'b.png').write_text('no image')
    (tmp_path / 'dog').mkdir()
    result = read_folders(tmp_path, ['cat', 'dog', 'cow'])
    assert sorted((p.kind, p.file.name) for p in result.problems) == [
        ('class folder without images', 'dog'),
        ('class that is missing', tmp_path.name),
        ('class that is not expected', 'bird'),
        ('image in no class folder', 'top.png'),
        ('unreadable image', 'b.png'),
    ]


def test_a_loop_of_links_ends_and_gives_no_image_twice(tmp_path):
    picture(tmp_path / 'cat' / 'a.png')
    (tmp_path / 'cat' / 'loop').symlink_to(tmp_path / 'cat')
    assert listing(read_folders(tmp_path)) == [('cat/a.png', 'cat', None)]


@pytest.mark.parametrize('made', [True, False])
def test_no_folders_are_an_error(made, tmp_path):
    root = tmp_path / 'photos'
    if made:
        root.mkdir()
    with pytest.raises(DataError, match='photos (has no folders|does not exist)'):
        read_folders(root)
