"""engine/prediction/sources.py: which files are images, and their names in an output folder."""

import functools
import tarfile
from http.server import SimpleHTTPRequestHandler

import cv2
import numpy as np
import pytest
from PIL import Image

from classification.engine.errors import DataError, UsageError
from classification.engine.prediction.sources import find_images, find_sources
from tests.helpers import picture, served


def touch(here, *paths):
    for path in paths:
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        (here / path).touch()


@pytest.mark.parametrize(
    'patterns, names',
    [
        (['a'], ['x', 'deep/y']),
        (['.'], ['a/x', 'a/deep/y', 'b/z']),
        (['./a/'], ['x', 'deep/y']),
        (['a/x.png', 'b/z.jpg'], ['x', 'z']),
        (['a/**/*.png'], ['x', 'deep/y']),
        (['a/x.png', 'a/x.png', './a/x.png', 'link.png'], ['x']),
        (['a/[1].png'], ['[1]']),
    ],
)
def test_names_are_paths_below_what_was_given(patterns, names, here):
    touch(here, 'a/x.png', 'a/deep/y.png', 'b/z.jpg', 'b/notes.txt', 'a/._x.png', 'a/.git/z.png')
    if 'link.png' in patterns:
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
        (['notes.md'], 'notes.md is no image'),
        (['notes.txt'], 'notes.txt lists no image'),
        (['none.tar'], 'none.tar does not exist'),
        (['empty'], 'empty holds no image'),
        (['a/*.webp'], 'a/[*].webp holds no image'),
    ],
)
def test_what_finds_nothing(patterns, expected, here):
    touch(here, 'a/x.jpg', 'notes.txt', 'notes.md')
    (here / 'empty').mkdir()
    with pytest.raises(UsageError, match=expected):
        find_images(patterns)


@pytest.fixture
def video(here):
    """Three frames of 64x48, each of one grey."""
    writer = cv2.VideoWriter(str(here / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 5, (64, 48))
    for grey in (10, 100, 200):
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    return here / 'clip.avi'


def test_frames_of_a_video(video):
    found = find_sources(['clip.avi'])
    assert found.count == 3
    sources = list(found.sources)
    assert [str(source.name) for source in sources] == [f'clip/00000{i}' for i in (1, 2, 3)]
    assert [source.file_name for source in sources] == [f'clip.avi#{i}' for i in (1, 2, 3)]
    for source, grey in zip(sources, (10, 100, 200), strict=True):
        assert source.read().shape == (48, 64, 3)
        assert abs(int(source.read().mean()) - grey) < 4


@pytest.mark.parametrize(
    'pattern, message', [('bad.mp4', 'The video bad.mp4 cannot'), ('97', 'Camera 97 cannot be')]
)
def test_what_cannot_be_opened(pattern, message, here):
    (here / 'bad.mp4').write_bytes(b'garbage')
    with pytest.raises(UsageError, match=message):
        find_sources([pattern])


@pytest.fixture
def address(here):
    """Of a server for the test's folder."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(here))
    handler.log_message = lambda *args: None
    with served(handler) as url:
        yield url


def test_images_of_addresses(here, address):
    Image.new('RGB', (4, 3), (1, 2, 3)).save(here / 'x.png')
    found = find_sources([f'{address}/x.png?size=1', 'x.png'])
    assert found.count == 2
    local, remote = found.sources
    assert (str(local.name), str(remote.name)) == ('x', '001-x')
    assert (remote.read() == local.read()).all()


def test_an_address_that_cannot_be_fetched(here, address):
    for bad in (f'{address}/none.png', 'http://127.0.0.1:1/x.png', 'http://[::1', 'https://'):
        (source,) = find_sources([bad]).sources
        with pytest.raises(DataError, match='cannot be fetched .*: check the address'):
            source.read()


@pytest.mark.parametrize(
    'folder, lines', [('.', 'a/x.png'), ('a', 'x.png'), ('.', '{here}/a/x.png')]
)
def test_a_list_of_paths(folder, lines, here):
    """Relative to the current folder, or else to the list's; nothing has to be there yet."""
    picture(here / 'a/x.png')
    first = lines.format(here=here)
    file = here / folder / 'list.txt'
    file.write_text(f'{first}\n\n  {first.replace("x", "deep/y")}  \r\n{first}\n')
    found = find_sources([str(file)])
    assert [str(source.name) for source in found.sources] == ['x', 'deep/y']
    assert found.count == 2
    there, missing = found.sources
    assert there.read().shape == (36, 40, 3)
    with pytest.raises(DataError, match='deep/y.png does not exist'):
        missing.read()


def test_tars_of_one_name_are_kept_apart(here):
    picture(here / 'x.png')
    for name in ('a/1.tar', 'b/1.tar', 'b/2.tar'):
        (here / name).parent.mkdir(exist_ok=True)
        with tarfile.open(here / name, 'w') as file:
            file.add('x.png', 'in/x.png')
    found = find_sources(['b/*.tar', 'a/1.tar', 'b/1.tar', 'x.png'])
    assert found.count is None
    assert {source.file_name: str(source.name) for source in found.sources} == {
        'x.png': 'x',
        'b/1.tar/in/x.png': '1.tar/in/x',
        'b/2.tar/in/x.png': '2.tar/in/x',
        'a/1.tar/in/x.png': '1.tar-2/in/x',
    }
