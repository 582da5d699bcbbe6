"""classification/engine/images.py: which files are images, their names, how they are read."""

import pytest
from PIL import Image

from classification.engine.errors import UsageError
from classification.engine.images import find_images, read_picture


@pytest.mark.parametrize(
    'patterns, names',
    [
        (['a'], ['x', 'deep/y']),
        (['a/x.png', 'b/z.jpg'], ['x', 'z']),
        (['a/**/*.png'], ['x', 'deep/y']),
        (['a/x.png', 'a/x.png', './a/x.png'], ['x']),
        (['a/[1].png'], ['[1]']),
    ],
)
def test_names_are_paths_below_what_was_given(patterns, names, here):
    for path in ('a/x.png', 'a/deep/y.png', 'b/z.jpg', 'b/notes.txt'):
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).touch()
    if '[1]' in names:
        (here / 'a/[1].png').touch()
    found = find_images(patterns)
    assert sorted(map(str, found.values())) == sorted(names)
    assert all(path.is_file() and path.stem == name.name for path, name in found.items())


@pytest.mark.parametrize(
    'patterns, expected',
    [
        (['a/none.png'], 'a/none.png is no image'),
        (['notes.txt'], 'notes.txt is no image'),
        (['a', 'b'], 'b/x.png and a/x.jpg would be written to one file'),
    ],
)
def test_images_that_cannot_be_found_or_told_apart(patterns, expected, here):
    for path in ('a/x.jpg', 'b/x.png', 'notes.txt'):
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).touch()
    with pytest.raises(UsageError, match=expected):
        find_images(patterns)


def test_pictures_are_read_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new('L', (30, 20)).save(tmp_path / 'x.jpg', exif=exif)
    assert read_picture(tmp_path / 'x.jpg').shape == (30, 20, 3)
