"""serving/decoding.py: what is decoded, and what is refused before or while it is."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from classification.engine.images import read_image
from classification.serving.decoding import FORMATS, check_size, decode
from classification.serving.refusal import Refusal
from tests.serving import encoded

NOISE = Image.fromarray(
    np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8), 'RGB'
)


def bomb(width, height):
    """A PNG file whose header states a size that its few bytes do not hold."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', check)

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b'')


@pytest.mark.parametrize('kind', FORMATS)
def test_formats_are_read_as_everywhere(kind):
    content = encoded(NOISE, kind)
    assert check_size(content, 1200) == (40, 30)
    assert (decode(content) == read_image(content)).all()


@pytest.mark.parametrize('turn', range(1, 9))
def test_the_orientation_is_applied(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    content = encoded(NOISE, 'JPEG', exif=exif)
    assert check_size(content, 1200) == (40, 30)  # of which the area alone counts
    image = decode(content)
    assert image.shape == ((40, 30, 3) if turn >= 5 else (30, 40, 3))
    assert (image == read_image(content)).all()


@pytest.mark.parametrize('size', [(40, 31), (5000, 5000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_by_the_header(size):
    with pytest.raises(Refusal, match='of which at most 1200 are taken') as refusal:
        check_size(bomb(*size), 1200)
    assert refusal.value.status == 413


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'GIF89a',
        bomb(0, 5),
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b'/etc/passwd',
        b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n',
        encoded(NOISE, 'GIF'),
        encoded(NOISE, 'JPEG')[:20],
    ],
    ids=['empty', 'gif', 'no pixel', 'svg', 'path', 'eps', 'whole gif', 'start'],
)
def test_what_is_no_image_of_the_formats(content):
    with pytest.raises(Refusal, match='no image that can be read') as refusal:
        check_size(content, 1200)
    assert refusal.value.status == 415


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF', 'BMP', 'PPM', 'WEBP'])
def test_half_a_file(kind):
    content = encoded(NOISE, kind)
    content = content[: len(content) * 2 // 3]
    with pytest.raises(Refusal) as refusal:
        check_size(content, 1200)
        decode(content)
    assert refusal.value.status in (400, 415)


def test_a_png_whose_sums_are_wrong():
    content = bytearray(encoded(NOISE, 'PNG'))
    content[60] ^= 1
    check_size(bytes(content), 1200)
    with pytest.raises(Refusal, match='The image cannot be read') as refusal:
        decode(bytes(content))
    assert refusal.value.status == 400


def test_a_jpeg_of_endless_scans():
    content = encoded(NOISE, 'JPEG', progressive=True)
    start = content.index(b'\xff\xda')
    scan = content[start : content.index(b'\xff', start + 20)]
    check_size(content, 1200)
    with pytest.raises(Refusal, match='a JPEG of over 500 scans') as refusal:
        check_size(content[:start] + 600 * scan + content[start:], 1200)
    assert refusal.value.status == 400


def test_values_without_a_rule():
    content = encoded(Image.fromarray(np.full((3, 4), 70_000, np.int32)), 'TIFF')
    check_size(content, 1200)
    with pytest.raises(Refusal, match='32-bit integers') as refusal:
        decode(content)
    assert refusal.value.status == 400
