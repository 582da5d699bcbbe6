"""annotations/layouts/maps.py, legend.py, files/maps.py: maps of indexes and of colours."""

import numpy as np
import pytest
from PIL import Image

from classification.annotations.layouts.legend import read_legend
from classification.annotations.layouts.maps import read_maps, write_maps
from classification.annotations.problems.problem import Severity
from classification.engine.errors import DataError
from tests.helpers import picture

LABELS = np.zeros((36, 40), np.uint8)
LABELS[4:20, 5:15] = 1
LABELS[20:30, 20:30] = 2
LABELS[:, 38:] = 255
COLOURS = {0: (0, 0, 0), 1: (200, 10, 10), 2: (10, 200, 10), 255: (255, 255, 255)}
NAMES = ['ground', 'cat', 'dog']
BY_COLOUR = {COLOURS[0]: 0, COLOURS[1]: 1, COLOURS[2]: 2, COLOURS[255]: None}


def coloured():
    pixels = np.zeros((36, 40, 3), np.uint8)
    for value, colour in COLOURS.items():
        pixels[value == LABELS] = colour
    return Image.fromarray(pixels)


def with_palette():
    image = Image.fromarray(LABELS, 'P')
    image.putpalette([part for i in range(256) for part in COLOURS.get(i, (i, 0, 0))])
    return image


@pytest.fixture
def read(tmp_path):
    """A function: image of a map, name of its file -> what is read with an image beside it."""

    def reader(content, name='a.png', **options):
        picture(tmp_path / 'images' / 'a.jpg')
        (tmp_path / 'maps').mkdir(exist_ok=True)
        path = tmp_path / 'maps' / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif path.suffix == '.npy':
            np.save(path, content)
        else:
            content.save(path)
        return read_maps(tmp_path / 'images', tmp_path / 'maps', **options)

    return reader


def kinds(annotations, least=Severity.DOUBTFUL):
    return [p.kind for p in annotations.problems if p.severity >= least]


@pytest.mark.parametrize(
    'content, name, options',
    [
        (Image.fromarray(LABELS), 'a.png', dict(classes=NAMES)),
        (Image.fromarray(LABELS), 'a_mask.png', dict(classes=NAMES)),
        (Image.fromarray(LABELS), 'a.TIF', dict(classes=NAMES)),
        (with_palette(), 'a.png', dict(classes=NAMES)),
        (with_palette(), 'a.png', dict(classes=NAMES, legend=BY_COLOUR)),
        (coloured(), 'a.png', dict(classes=NAMES, legend=BY_COLOUR)),
        (coloured().convert('RGBA'), 'a.png', dict(classes=NAMES, legend=BY_COLOUR)),
        (Image.fromarray(LABELS.astype(np.uint16)), 'a.png', dict(classes=NAMES)),
        (LABELS.astype(np.int64), 'a.npy', dict(classes=NAMES)),
    ],
)
def test_indexes_palettes_and_colours_are_one_map(content, name, options, read, tmp_path):
    result = read(content, name, **options)
    assert not result.problems
    assert result.classes == NAMES
    counts = {label: int((label == LABELS).sum()) for label in range(3)}
    assert result.images[0].pixels == counts
    written = write_maps(result, tmp_path / 'out')
    np.testing.assert_array_equal(np.asarray(Image.open(written.images[0].map)), LABELS)
    again = read_maps(tmp_path / 'images', tmp_path / 'out', NAMES)
    assert again.images == written.images and again.legend == written.legend
    assert not again.problems


def test_values_are_classes_where_none_are_named(read):
    result = read(Image.fromarray(LABELS * 10))
    assert result.classes == ['value 0', 'value 10', 'value 20', 'value 246']  # 255 * 10 % 256
    assert result.legend[10] == 1


@pytest.mark.parametrize(
    'content, name, kind',
    [
        (coloured(), 'a.png', 'map of colours where indexes are meant'),
        (Image.fromarray(LABELS).convert('LA'), 'a.png', 'map of colours where indexes are meant'),
        (Image.fromarray(LABELS + 3), 'a.png', 'map with an unknown colour or value'),
        (Image.fromarray(LABELS[:-1]), 'a.png', 'map of another size'),
        (Image.fromarray(LABELS.T.copy()), 'a.png', 'map of another size'),
        (Image.fromarray(LABELS.astype(np.float32)), 'a.tiff', 'map of fractions'),
        (LABELS.astype(float), 'a.npy', 'map of fractions'),
        (b'no image', 'a.png', 'unreadable map'),
        (b'no image', 'a.npy', 'unreadable map'),
        (Image.fromarray(LABELS), 'b.png', 'image without a map'),
        (Image.fromarray(np.full_like(LABELS, 255)), 'a.png', 'map without a class'),
        (Image.fromarray(LABELS), 'a.jpg', 'map in a lossy format'),
    ],
)
def test_a_map_that_cannot_be_meant_is_named(content, name, kind, read):
    result = read(content, name, classes=NAMES)
    assert kind in kinds(result)
    (named,) = [p for p in result.problems if p.kind == kind]
    assert named.file.name in ('a.jpg', name)


def test_a_map_belongs_to_the_upright_image(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    (tmp_path / 'images').mkdir()
    Image.new('RGB', (40, 36)).save(tmp_path / 'images' / 'a.jpg', exif=exif)
    (tmp_path / 'maps').mkdir()
    Image.fromarray(LABELS).save(tmp_path / 'maps' / 'a.png')
    result = read_maps(tmp_path / 'images', tmp_path / 'maps', NAMES)
    assert kinds(result) == ['labelled before it was turned']


def test_images_and_maps_may_lie_in_one_folder(tmp_path):
    picture(tmp_path / 'a.jpg')
    picture(tmp_path / 'b.jpg')
    Image.fromarray(LABELS).save(tmp_path / 'a_mask.png')
    result = read_maps(tmp_path, tmp_path, NAMES)
    assert [image.path.name for image in result.images] == ['a.jpg']
    assert kinds(result) == ['image without a map']


@pytest.mark.parametrize(
    'name, text, legend',
    [
        ('classes.txt', 'ground\r\ncat\r\n\r\ndog\r\n', {0: 0, 1: 1, 2: 2}),
        (
            'labelmap.txt',
            '# label:color_rgb:parts:actions\nground:0,0,0::\ncat:9,8,7::\ndog:1,2,3::\n',
            {(0, 0, 0): 0, (9, 8, 7): 1, (1, 2, 3): 2},
        ),
        (
            'a.csv',
            'name,r,g,b\nground,0,0,0\ncat,9,8,7\ndog,1,2,3\nvoid,255,255,255\n',
            {(0, 0, 0): 0, (9, 8, 7): 1, (1, 2, 3): 2, (255, 255, 255): None},
        ),
        ('a.csv', '0,ground\n7, cat\n200,"dog"\n255,ignore\n', {0: 0, 7: 1, 200: 2, 255: None}),
        ('a.json', '{"ground": 0, "cat": 7, "dog": 9}', {0: 0, 7: 1, 9: 2}),
        (
            'a.json',
            '{"ground": [0, 0, 0], "cat": [7, 0, 0], "dog": [9, 0, 0]}',
            {(0, 0, 0): 0, (7, 0, 0): 1, (9, 0, 0): 2},
        ),
    ],
)
def test_legends(name, text, legend, tmp_path):
    (tmp_path / name).write_bytes(text.encode('utf-8-sig'))
    assert read_legend(tmp_path / name) == (NAMES, legend)


@pytest.mark.parametrize(
    'name, text',
    [
        ('a.csv', ''),
        ('a.csv', 'cat,1\ndog,1\n'),
        ('a.csv', 'cat,1\ndog,1,2,3\n'),
        ('a.csv', 'cat,1,2\n'),
        ('a.csv', 'cat,dog,1\n'),
        ('a.csv', 'cat,99999999\n'),
        ('a.json', '[1]'),
        ('a.json', '{"a": null}'),
        ('a.json', '[' * 100000),
        ('none.txt', None),
    ],
)
def test_a_legend_that_says_no_classes_is_an_error(name, text, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=f'{name} is not a legend'):
        read_legend(tmp_path / name)


@pytest.mark.parametrize('missing', ['images', 'maps'])
def test_a_missing_or_empty_folder_is_an_error(missing, tmp_path):
    for name in ('images', 'maps'):
        picture(tmp_path / name / 'a.png')
    for file in (tmp_path / missing).iterdir():
        file.unlink()
    with pytest.raises(DataError, match=f'{missing} holds no'):
        read_maps(tmp_path / 'images', tmp_path / 'maps')
    (tmp_path / missing).rmdir()
    with pytest.raises(DataError, match=f'{missing} does not exist'):
        read_maps(tmp_path / 'images', tmp_path / 'maps')


def test_maps_of_one_name_in_two_folders_do_not_overwrite_each_other(tmp_path):
    for folder in ('x', 'y'):
        picture(tmp_path / 'images' / folder / 'a.png')
        (tmp_path / 'maps' / folder).mkdir(parents=True)
        Image.fromarray(LABELS).save(tmp_path / 'maps' / folder / 'a.png')
    result = read_maps(tmp_path / 'images', tmp_path / 'maps', NAMES)
    written = write_maps(result, tmp_path / 'out')
    assert [image.map.name for image in written.images] == ['a.png', 'a.2.png']


def test_the_digits_maps_are_right(here):
    root = here / 'data' / 'digits' / 'ade'
    legend = {**{value: value - 1 for value in range(1, 12)}, 0: None}
    result = read_maps(
        root / 'images' / 'training', root / 'annotations' / 'training', legend=legend
    )
    assert not result.problems and len(result.images) == 8
