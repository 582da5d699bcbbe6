"""classification/engine/sources.py: which files are images, and their names in an output folder."""

import pytest

from classification.engine.errors import UsageError
from classification.engine.sources import find_images


def touch(here, *paths):
    for path in paths:
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).touch()


@pytest.mark.parametrize(
    'patterns, names',
    [
        (['a'], ['x', 'deep/y']),
        (['a/x.png', 'b/z.jpg'], ['x', 'z']),
        (['a/**/*.png'], ['x', 'deep/y']),
        (['a/x.png', 'a/x.png', './a/x.png', 'link.png'], ['x']),
        (['a/[1].png'], ['[1]']),
    ],
)
def test_names_are_paths_below_what_was_given(patterns, names, here):
    touch(here, 'a/x.png', 'a/deep/y.png', 'b/z.jpg', 'b/notes.txt', 'a/._x.png', 'a/.git/z.png')
    (here / 'link.png').symlink_to('a/x.png')
    if '[1]' in names:
        touch(here, 'a/[1].png')
    found, _ = find_images(patterns)
    assert sorted(str(source.name) for source in found) == sorted(names)


@pytest.mark.parametrize(
    'patterns, names',
    [
        (['a'], {'a/x.jpg': 'x.jpg', 'a/x.png': 'x.png', 'a/x.png.bmp': 'x.png-2'}),
        (['a/x.jpg', 'b'], {'a/x.jpg': 'x.jpg', 'b/x.jpg': 'x.jpg-2'}),
    ],
)
def test_images_of_one_name_are_kept_apart(patterns, names, here):
    touch(here, 'a/x.jpg', 'a/x.png', 'a/x.png.bmp', 'b/x.jpg')
    found, _ = find_images(patterns)
    assert {source.file_name: str(source.name) for source in found} == names


def test_other_files_are_counted(here):
    touch(here, 'a/x.jpg', 'a/y.gif', 'a/z.GIF', 'a/notes.txt', 'a/README')
    assert find_images(['a'])[1] == {'.gif': 2, '.txt': 1, 'README': 1}


@pytest.mark.parametrize(
    'patterns, expected',
    [
        (['a/none.png'], 'a/none.png does not exist: check'),
        (['x' * 5000], 'xxx does not exist'),
        (['a\0'], 'does not exist'),
        (['notes.txt'], 'notes.txt is no image'),
        (['empty'], 'empty holds no image'),
        (['a/*.webp'], 'a/[*].webp holds no image'),
    ],
)
def test_what_finds_nothing(patterns, expected, here):
    touch(here, 'a/x.jpg', 'notes.txt')
    (here / 'empty').mkdir()
    with pytest.raises(UsageError, match=expected):
        find_images(patterns)
